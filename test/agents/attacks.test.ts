/** Ways out of a wrapped tool that were found by attacking it: each was open once. */
import { tool } from '@langchain/core/tools'
import { GraphInterrupt } from '@langchain/langgraph'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { getSecret } from '../../src/agents/index.js'
import { withSecrets as withLangChain } from '../../src/agents/langchain/index.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
/** What was thrown, whatever it is. */
async function thrownBy(run: Promise<unknown>): Promise<unknown> {
  try {
    await run
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
/** Everything that can be seen of a value. */
const seen = (value: unknown): string => `${inspect(value, { depth: 9, showHidden: true, getters: true })} ${JSON.stringify(value)}`
const fields = { name: 'search', description: 'Searches.', schema: { type: 'object', properties: { query: { type: 'string' } } } } as const
interface Callable {
  name: string
  description: string
  invoke(input: unknown, config?: unknown): Promise<unknown>
}
const inLangChain = (run: (value: string, runtime: never) => unknown) =>
  withLangChain(tool((async (_input: unknown, runtime: never) => run(await getSecret('KEY'), runtime)) as never, fields as never), {
    secrets,
    allow: ['KEY'],
  }) as unknown as Callable

describe('an exception of a framework', () => {
  // Its message was clean, and its stack, which is a getter in Node 24, was not: it is what LangSmith traces.
  it('tells nothing by its stack', async () => {
    const search = inLangChain((value) => {
      const error = new GraphInterrupt([{ id: 'a', value }])
      expect(error.stack).toContain(value)
      throw error
    })
    const error = await thrownBy(search.invoke({ query: 'q' }))
    expect(error).toBeInstanceOf(GraphInterrupt)
    expect(seen(error)).not.toContain(key)
    expect((error as GraphInterrupt).interrupts).toEqual([{ id: 'a', value: marker }])
  })

  // Members that are getters were skipped, those of its class as well, and what it says of itself.
  it('tells nothing by getters', async () => {
    let thrown: unknown
    const search = inLangChain((value) => {
      class Asking extends GraphInterrupt {
        get question(): string {
          return value
        }
        override toString(): string {
          return value
        }
      }
      thrown = Object.defineProperty(new Asking([]), 'interrupts', { get: () => [{ id: 'a', value }], enumerable: true, configurable: true })
      throw thrown
    })
    const error = await thrownBy(search.invoke({ query: 'q' }))
    expect(error).toBe(thrown)
    expect(`${seen(error)} ${String(error)}`).not.toContain(key)
  })
})
