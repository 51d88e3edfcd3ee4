import { defineConfig } from 'tsup'

// Declarations come from tsc (`npm run build`): tsup's own need the compiler interface of TypeScript 5.
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    provider: 'src/provider.ts',
    'testing/index': 'src/testing/index.ts',
    'providers/memory': 'providers/memory/index.ts',
    'providers/env': 'providers/env/index.ts',
    'providers/dotenv': 'providers/dotenv/index.ts',
  },
  format: 'esm',
  target: 'node20',
  // One copy of each module for all entries: else `instanceof` fails, and each entry has a cache of its own.
  splitting: true,
  dts: false,
  clean: true,
  esbuildOptions(options) {
    options.chunkNames = 'chunks/[name]-[hash]'
  },
})
