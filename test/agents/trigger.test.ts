/** What is special in tasks of Trigger.dev; that nothing gets out of them is in containment/. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import { getSecret, guard } from '../../src/agents/index.js'
import { withSecrets } from '../../src/agents/trigger/index.js'
import { createSecrets } from '../../src/index.js'
import { seenOf } from './containment/canary.js'
import { runTask, type TaskOptions } from './containment/trigger.js'

// After the managers that its module takes when it is loaded.
const { AbortTaskRunError, CompleteTaskWithOutput, locals, logger, metadata, task } = await import('@trigger.dev/sdk')

const key = 'sk-canary-4f9d2b7a81c6e350'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de' } } })
const marker = '[secret KEY]'

const search = { id: 'search', run: async (payload: { query: string }) => ({ found: `${payload.query} ${await getSecret('KEY')}` }) }

/** What Trigger.dev's own executor makes of a wrapped task, and all that it tells. */
async function resultOf(options: Omit<TaskOptions, 'id'> & Record<string, unknown>): Promise<{ result: unknown; told: string }> {
  const seen: unknown[] = []
  const result = await runTask(withSecrets({ id: 'search', retry: { maxAttempts: 1 }, ...options }, { secrets, allow: ['KEY'] }), seen)
  return { result, told: seen.map(seenOf).join('\n') }
}

describe('withSecrets of keyward/trigger', () => {
  it('returns the same options, of the same type, that a task can be made of', async () => {
    const wrapped = withSecrets(search, { secrets, allow: ['KEY'] })
    expectTypeOf(wrapped).toEqualTypeOf(search)
    expectTypeOf(task(wrapped)).toEqualTypeOf(task(search))
    expect(task(wrapped).id).toBe('search')
    expect(await wrapped.run({ query: 'q' })).toEqual({ found: `q ${marker}` })
    await expect(search.run({ query: 'q' })).rejects.toMatchObject({ code: 'denied' })
  })

  it.each([
    'run',
    'init',
    'cleanup',
    'handleError',
    'catchError',
    'onResume',
    'onWait',
    'onComplete',
    'onCancel',
    'middleware',
    'onStart',
    'onStartAttempt',
    'onSuccess',
    'onFailure',
  ])('guards its %s', async (hook) => {
    const options = { ...search, [hook]: async () => Promise.reject(new Error(await getSecret('KEY'))) }
    const run = (withSecrets(options, { secrets, allow: ['KEY'] }) as Record<string, unknown>)[hook] as () => Promise<unknown>
    await expect(run()).rejects.toThrow(marker)
  })

  it('takes sets: by key, and by the id of each of a list', async () => {
    const plain = { id: 'plain', run: async () => await getSecret('KEY') }
    const tasks = { search, plain }
    const wrapped = withSecrets(tasks, { secrets, allow: { search: ['KEY'] } })
    expectTypeOf(wrapped).toEqualTypeOf(tasks)
    expect(await wrapped.search.run({ query: 'q' })).toEqual({ found: `q ${marker}` })
    // One that is not listed is granted nothing.
    await expect(wrapped.plain.run()).rejects.toMatchObject({ code: 'denied', reason: 'not-granted', tool: 'plain' })
    const [first] = withSecrets([plain], { secrets, allow: { plain: ['KEY'] } })
    expect(await first.run()).toBe(marker)
    expect(() => withSecrets(tasks, { secrets, allow: { serch: ['KEY'] } as never })).toThrow(/serch/)
    expect(() => withSecrets({ id: 'search' }, { secrets, allow: ['KEY'] })).toThrow(/schemaTask/)
  })

  it('leaves what init made to the task, and cleans what the other hooks say', async () => {
    class Client {
      readonly #key: string
      constructor(value: string) {
        this.#key = value
      }
      toString(): string {
        return this.#key
      }
      get length(): number {
        return this.#key.length
      }
    }
    const heard: unknown[] = []
    const { result, told } = await resultOf({
      init: async () => ({ client: new Client(await getSecret('KEY')) }),
      middleware: async ({ next }: { next(): Promise<void> }) => {
        metadata.set('before', await getSecret('KEY'))
        await next()
      },
      onStart: async () => logger.info(await getSecret('KEY')),
      onSuccess: async ({ output }: { output: unknown }) => void heard.push(output, metadata.get('before')),
      run: async (_payload: unknown, { init }: { init: { client: Client } }) => ({ length: init.client.length, key: String(init.client) }),
    })
    expect(result).toMatchObject({ ok: true, output: JSON.stringify({ json: { length: key.length, key: marker } }) })
    expect(heard).toEqual([{ length: key.length, key: marker }, marker])
    expect(told).not.toContain(key)
  })

  it('leaves errors their class: what aborts or completes a run does', async () => {
    const aborted = await resultOf({
      retry: { maxAttempts: 3 },
      run: async () => {
        throw new AbortTaskRunError(`401 for ${await getSecret('KEY')}`)
      },
    })
    expect(aborted.result).toMatchObject({ ok: false, skippedRetrying: true, error: { message: `401 for ${marker}` } })
    const completed = await resultOf({
      run: async () => {
        throw new CompleteTaskWithOutput({ found: await getSecret('KEY') })
      },
    })
    expect(completed.result).toMatchObject({ ok: true, output: expect.stringContaining(marker) as unknown })
    const caught = await resultOf({
      run: async () => Promise.reject(new Error('first')),
      catchError: async () => ({ skipRetrying: true, error: new Error(`then ${await getSecret('KEY')}`) }),
      onFailure: async () => Promise.reject(new Error(await getSecret('KEY'))),
    })
    expect(caught.result).toMatchObject({ ok: false, skippedRetrying: true, error: { message: `then ${marker}` } })
    for (const { told } of [aborted, completed, caught]) expect(told).not.toContain(key)
  })

  // It is told to the server after them.
  it.each(['catchError', 'onFailure'])('cleans what its %s writes into the error of the run', async (hook) => {
    const { result } = await resultOf({
      run: async () => Promise.reject(new Error('first')),
      [hook]: async ({ error }: { error: Error }) => void (error.message = await getSecret('KEY')),
    })
    expect(result).toMatchObject({ ok: false })
    expect(JSON.stringify(result).includes(key)).toBe(false)
  })

  it('keeps clients in locals, and gives a task back what it gave a trace', async () => {
    const local = locals.create<object>('client')
    const client = new (class Client {
      readonly token = key
    })()
    const { result } = await resultOf({
      run: async () => {
        locals.set(local, client)
        const traced = await logger.trace('read', async () => await getSecret('KEY'))
        return { isSame: locals.get(local) === client, isBack: traced === (await getSecret('KEY')) }
      },
    })
    expect(result).toMatchObject({ output: '{"json":{"isSame":true,"isBack":true}}' })
  })

  it('cleans what a tool within a task says, and nothing of other code', async () => {
    const tool = guard(async () => void metadata.set('tool', await getSecret('KEY')), { secrets, tool: 'inner', allow: ['KEY'] })
    const { told } = await resultOf({ run: async () => await tool() })
    expect(told).toContain(`tool: '${marker}'`)
    const seen: unknown[] = []
    await runTask({ id: 'other', run: async () => metadata.set('plain', await secrets.getSecret('KEY')) && 'done' }, seen)
    expect(seen.map(seenOf).join()).toContain(`plain: '${key}'`)
  })
})
