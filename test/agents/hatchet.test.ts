/** What is special in tasks of Hatchet; that nothing gets out of them is in containment/. */
import { NonRetryableError } from '@hatchet-dev/typescript-sdk/v1/index.js'
import { HatchetClient } from '@hatchet-dev/typescript-sdk/v1/client/client.js'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { getSecret } from '../../src/agents/index.js'
import { withSecrets } from '../../src/agents/hatchet/index.js'
import { createSecrets } from '../../src/index.js'
import { token, Worker, type TaskOptions } from './containment/hatchet.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de' } } })
const marker = '[secret KEY]'

const search = { name: 'search', retries: 3, fn: async (input: { query: string }) => ({ found: `${input.query} ${await getSecret('KEY')}` }) }

/** All that Hatchet's own worker tells of a task. */
async function toldOf(fn: TaskOptions['fn']): Promise<string> {
  const seen: unknown[] = []
  await new Worker(seen).run(withSecrets({ name: 'search', fn }, { secrets, allow: ['KEY'] }))
  return seen.map(String).join('\n')
}

describe('withSecrets of keyward/hatchet', () => {
  it('returns the same options, of the same type, that a task can be made of', async () => {
    const wrapped = withSecrets(search, { secrets, allow: ['KEY'] })
    expectTypeOf(wrapped).toEqualTypeOf(search)
    expect({ ...wrapped, fn: undefined }).toEqual({ ...search, fn: undefined })
    expect(wrapped.fn).toHaveLength(1)
    expect(await wrapped.fn({ query: 'q' })).toEqual({ found: `q ${marker}` })
    await expect(search.fn({ query: 'q' })).rejects.toMatchObject({ code: 'denied' })
    const hatchet = HatchetClient.init({ token, host_port: '127.0.0.1:1', tls_config: { tls_strategy: 'none' } } as never)
    const task = hatchet.task(wrapped)
    expectTypeOf(task).toEqualTypeOf(hatchet.task(search))
    expect(task.name).toBe('search')
    // Of a workflow, too.
    const workflow = hatchet.workflow<{ query: string }>({ name: 'w' })
    const first = workflow.task(wrapped)
    workflow.task(withSecrets({ name: 'second', parents: [first], fn: async () => ({ length: (await getSecret('KEY')).length }) }, { secrets, allow: ['KEY'] }))
    workflow.onFailure(withSecrets({ fn: async () => Promise.reject(new Error(await getSecret('KEY'))) }, { secrets, allow: ['KEY'] }))
    const { _tasks: tasks, onFailure } = workflow.definition
    expect(tasks.map(({ name }) => name)).toEqual(['search', 'second'])
    await expect((onFailure as unknown as { fn: () => Promise<void> }).fn()).rejects.toThrow(marker)
  })

  it('takes sets: by key, and by the name of each of a list', async () => {
    const plain = { name: 'plain', fn: async () => ({ found: await getSecret('KEY') }) }
    const tasks = { search, plain }
    const wrapped = withSecrets(tasks, { secrets, allow: { search: ['KEY'] } })
    expectTypeOf(wrapped).toEqualTypeOf(tasks)
    expect(await wrapped.search.fn({ query: 'q' })).toEqual({ found: `q ${marker}` })
    // One that is not listed is granted nothing.
    await expect(wrapped.plain.fn()).rejects.toMatchObject({ code: 'denied', reason: 'not-granted', tool: 'plain' })
    const [, second] = withSecrets([search, plain], { secrets, allow: { plain: ['KEY'] } })
    expect(await second.fn()).toEqual({ found: marker })
    expect(() => withSecrets(tasks, { secrets, allow: { serch: ['KEY'] } as never })).toThrow(/serch/)
    expect(() => withSecrets({ name: 'search' }, { secrets, allow: ['KEY'] })).toThrow(/hatchet\.task/)
  })

  it('hands a task what works: logs, streams, outputs of its parents, its signal', async () => {
    const told = await toldOf(async (_input: unknown, context: never) => {
      const { log, ...others } = context as { log(message: string): Promise<void>; abortController: AbortController }
      void others
      const { parentOutput, abortController } = context as { parentOutput(name: string): Promise<{ found: string }>; abortController: AbortController }
      const given = context as { putStream(data: string): Promise<void>; logger: { info(message: string): Promise<void> }; workflowRunId(): string }
      await log('by log')
      await given.logger.info(`by logger in ${given.workflowRunId()}`)
      await given.putStream('part 1, ')
      await given.putStream('part 2')
      return { parent: (await parentOutput('parent')).found, isSignal: abortController.signal instanceof AbortSignal, length: (await getSecret('KEY')).length }
    })
    for (const line of ['by log', 'by logger in workflow-run-1', 'stream part 1, part 2']) expect(told).toContain(line)
    expect(told).toContain(`{"parent":"f","isSignal":true,"length":${key.length}}`.replaceAll('"', '\\"'))
  })

  it('leaves an error its class: one that is not to be retried is not', async () => {
    const told = await toldOf(async () => {
      throw new NonRetryableError(`401 for ${await getSecret('KEY')}`)
    })
    expect(told).toContain('shouldNotRetry: true')
    expect(told).toContain(`401 for ${marker}`)
    expect(told).not.toContain(key)
  })

  it('hands on a workflow of the same class and name, and streams in the order in which it was told', async () => {
    const child = HatchetClient.init({ token, host_port: '127.0.0.1:1', tls_config: { tls_strategy: 'none' } } as never).task({ name: 'child', fn: () => ({}) })
    const ran: unknown[] = []
    const streamed: string[] = []
    const context = {
      runChild: (workflow: unknown) => void ran.push(workflow),
      async putStream(data: string) {
        // The first takes longest.
        await new Promise((resolve) => void setTimeout(resolve, data.startsWith('a') ? 20 : 0))
        streamed.push(data)
      },
    }
    const tells = async (_input: object, given: typeof context) => {
      given.runChild(child)
      await Promise.all([given.putStream('a'.repeat(99)), given.putStream('b'.repeat(99))])
      return {}
    }
    await withSecrets({ name: 'tells', fn: tells }, { secrets, allow: ['KEY'] }).fn({}, context)
    expect(ran).toHaveLength(1)
    expect(ran[0]).toBeInstanceOf(child.constructor)
    expect(ran[0]).toHaveProperty('name', 'child')
    await expect.poll(() => streamed.join('')).toBe(`${'a'.repeat(99)}${'b'.repeat(99)}`)
  })

  it('runs a workflow as a child, as it was declared', async () => {
    const hatchet = HatchetClient.init({ token, host_port: '127.0.0.1:1', tls_config: { tls_strategy: 'none' } } as never)
    const child = hatchet.task({ name: 'child', fn: () => ({}) })
    const told = await toldOf(async (_input: unknown, context: never) => {
      const { runNoWaitChild } = context as { runNoWaitChild(workflow: object, input: object): Promise<unknown> }
      await runNoWaitChild(child, { value: await getSecret('KEY') })
      return {}
    })
    expect(told).toContain("'child'")
    expect(told).toContain(marker)
    expect(told).not.toContain(key)
  })
})
