/** Run as a process of its own: serves tools that do what tools may do. Parameter: the timeout. */
import { setTimeout as after } from 'node:timers/promises'
import { getSecret } from '../../src/agents/index.js'
import { serveStdio, withSecrets, type GraftTool } from '../../src/graft/index.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350f1'
const [timeout = '60s'] = process.argv.slice(2)
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de55' } }, secrets: { KEY: {}, OTHER: {} } })

const define = (name: string, execute: GraftTool['execute']): GraftTool => ({ name, description: `It ${name}.`, schema: { type: 'object', properties: {} }, execute })
const nothing = new Promise<never>(() => undefined)

/** A queue that was there before: what is done in it belongs to no call. */
let isPoisoned = false
setInterval(() => {
  if (!isPoisoned) return
  isPoisoned = false
  throw new RangeError('in a queue')
}, 5).unref()

const wrapped = withSecrets(
  [
    define('reads', async () => `it is ${await getSecret('KEY')}`),
    define('steals', async () => getSecret('OTHER')),
    define('throws', async () => {
      throw new Error(`failed with ${await getSecret('KEY')}`)
    }),
    define('echoes', (input: unknown) => input),
    define('slow', async () => {
      await after(150)
      return 'slept'
    }),
    define('crashes', async () => {
      const value = await getSecret('KEY')
      setTimeout(() => {
        throw new TypeError(`crashed with ${value}`)
      }, 1)
      return nothing
    }),
    define('rejects', async () => {
      const value = await getSecret('KEY')
      void after(1).then(() => Promise.reject(new Error(`rejected with ${value}`)))
      return nothing
    }),
    define('poisons', async () => {
      isPoisoned = true
      await nothing
    }),
    define('hangs', async (_input: unknown, { signal }: { signal: AbortSignal }) => {
      signal.addEventListener('abort', () => console.error('aborted'))
      const kept = setInterval(() => undefined, 1_000)
      await nothing
      clearInterval(kept)
    }),
    define('big', ({ bytes }: { bytes: number }) => 'x'.repeat(bytes)),
    define('prints', () => {
      console.log('printed by console.log')
      process.stdout.write('printed by stdout\n')
      return 'done'
    }),
    define('exits', async () => {
      setTimeout(() => process.exit(3), 10)
      return nothing
    }),
    define('streams', async function* () {
      const value = await getSecret('KEY')
      yield value.slice(0, 9)
      yield value.slice(9)
    }),
    define('empty', () => undefined),
    define('blocks', () => ({
      content: [
        { type: 'image', mimeType: 'image/png', data: 'AAAA' },
        { type: 'resource', resource: { uri: 'a:b', text: 'inside' } },
      ],
    })),
  ],
  { secrets, allow: { reads: ['KEY'], throws: ['KEY'], crashes: ['KEY'], rejects: ['KEY'], streams: ['KEY'] } },
)
const bare = define('bare', () => `bare ${key}`)

await serveStdio([...wrapped, bare], { name: 'fixture', timeout: timeout as `${number}s` })
await secrets.close()
