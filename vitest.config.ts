import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Most of them wait for servers and clocks, and for other processes: two at a time take little more than half as long, on two cores too.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          // For machines that are busy with something else: no test measures how fast anything is.
          testTimeout: 60_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 10_000 } },
          setupFiles: ['test/seed.ts'],
          globalSetup: ['test/servers/install-openbao.ts', 'test/servers/install-moto.ts', 'test/servers/install-openai.ts'],
          include: ['test/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/package/**', 'test/cli/**', 'test/fixtures/**'],
        },
      },
      {
        test: {
          name: 'types',
          include: [],
          // Errors elsewhere are those of `npm run typecheck`.
          typecheck: { enabled: true, only: true, include: ['test/types/**/*.test-d.ts'], ignoreSourceErrors: true },
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts', 'test/cli/**/*.test.ts'],
          exclude: ['**/node_modules/**'],
          globalSetup: ['test/package/build.ts', 'test/servers/install-openbao.ts'],
          // Packing, installing and bundling.
          testTimeout: 120_000,
          hookTimeout: 300_000,
          expect: { poll: { timeout: 5_000 } },
        },
      },
    ],
  },
})
