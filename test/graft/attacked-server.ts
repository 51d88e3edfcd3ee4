/** Run as a process of its own: serves tools that do worse than those of the other server. Parameters: the timeout, and who is told of faults. */
import { writeSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { serveStdio, withSecrets, type GraftTool } from '../../src/graft/index.js'
import { createSecrets } from '../../src/index.js'

const [timeout = '60s', told = 'stderr'] = process.argv.slice(2)
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: 'sk-canary-4f9d2b7a81c6e350f1' } }, secrets: { KEY: {} } })
const define = (name: string, execute: GraftTool['execute']): GraftTool => ({ name, description: `It ${name}.`, schema: { type: 'object', properties: {} }, execute })
let faults = 0

const tools = withSecrets(
  [
    define('echoes', (input: unknown) => input),
    define('big', async ({ bytes }: { bytes: number }) => {
      await after(150)
      return 'x'.repeat(bytes)
    }),
    define('leaves', ({ bytes }: { bytes: number }) => {
      setTimeout(() => process.exit(0), 100)
      return 'x'.repeat(bytes)
    }),
    define('prints', () => {
      console.log('printed')
      return 'done'
    }),
    define('crashes', async () => {
      setTimeout(() => {
        throw new Error('in a timer')
      }, 1)
      return new Promise(() => undefined)
    }),
    define('flows', async function* () {
      try {
        for (;;) {
          await after(5)
          yield 'a piece of it\n'
        }
      } finally {
        writeSync(2, 'returned\n')
      }
    }),
    define('floods', async function* () {
      try {
        for (;;) yield 'x'.repeat(1_000)
      } finally {
        writeSync(2, 'returned\n')
      }
    }),
    define('dribbles', async function* () {
      for (;;) yield ''
    }),
    define('quits', () => process.exit(0)),
    define('pauses', () => {
      process.stdin.pause()
      return 'done'
    }),
    define('ends', () => {
      process.stdout.end()
      return 'done'
    }),
    define('counts', () => String(faults)),
  ],
  { secrets, allow: {} },
)

/** What an app that reports faults elsewhere writes: types let it be asynchronous. */
const report = (): unknown => {
  faults += 1
  return after(1).then(() => Promise.reject(new Error('nobody there to report to')))
}

const reports: Readonly<Record<string, (error: unknown) => unknown>> = { asynchronous: report, later: () => void report() }
await serveStdio(tools, { name: 'fixture', timeout: timeout as `${number}s`, ...(told === 'stderr' ? {} : { onFault: reports[told]! }) })
await secrets.close()
