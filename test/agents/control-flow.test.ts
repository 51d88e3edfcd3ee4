/** What a framework throws to leave a tool, and is no failure: the very object, of its class, with what it holds cleaned. An error that only says that it is one is rebuilt. */
import { NonRetryableError } from '@hatchet-dev/typescript-sdk'
import { GraphInterrupt } from '@langchain/langgraph'
import { tool } from '@langchain/core/tools'
import { TripWire } from '@mastra/core/agent'
import { createTool } from '@mastra/core/tools'
import { AbortTaskRunError, CompleteTaskWithOutput, OutOfMemoryError } from '@trigger.dev/sdk'
import { inspect } from 'node:util'
import { expect, it, vi } from 'vitest'
import { controlFlow } from '../../src/agents/control-flow.js'
import { withSecrets as withHatchet } from '../../src/agents/hatchet/index.js'
import { getSecret } from '../../src/agents/index.js'
import { withSecrets as withLangChain } from '../../src/agents/langchain/index.js'
import { withSecrets as withMastra } from '../../src/agents/mastra/index.js'
import { withSecrets as withTrigger } from '../../src/agents/trigger/index.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
const options = { secrets, allow: ['KEY'] }

type Run = () => Promise<never>
type Call = (run: Run) => Promise<unknown>

const langchain: Call = async (run) => withLangChain(tool(run, { name: 'search', description: 'Searches.', schema: { type: 'object', properties: {} } }), options).invoke({})
const hatchet: Call = async (run) => withHatchet({ name: 'search', fn: async (_input: object) => run() }, options).fn({})
const trigger: Call = async (run) => withTrigger({ id: 'search', run: async (_payload: object) => run() }, options).run({})
const mastra: Call = async (run) => withMastra(createTool({ id: 'search', description: 'Searches.', execute: run }), options).execute!({}, {} as never)

const made: readonly (readonly [what: string, call: Call, make: (value: string) => Error, holds: (thrown: never) => unknown])[] = [
  ['GraphInterrupt of LangGraph', langchain, (value) => new GraphInterrupt([{ id: 'i', value }]), ({ interrupts }: GraphInterrupt) => interrupts],
  ['NonRetryableError of Hatchet', hatchet, (value) => new NonRetryableError(value), ({ message }: Error) => message],
  ['AbortTaskRunError of Trigger.dev', trigger, (value) => new AbortTaskRunError(value), ({ message }: Error) => message],
  ['OutOfMemoryError of Trigger.dev', trigger, (value) => Object.assign(new OutOfMemoryError(), { value }), (thrown) => thrown],
  ['CompleteTaskWithOutput of Trigger.dev', trigger, (value) => new CompleteTaskWithOutput({ value }), ({ output }: CompleteTaskWithOutput) => output],
  ['TripWire of Mastra', mastra, (value) => new TripWire(value, { metadata: { value } }), ({ options: held }: TripWire) => held],
]

async function thrownBy(call: Call, make: (value: string) => Error): Promise<{ given: Error | undefined; thrown: unknown }> {
  let given: Error | undefined
  try {
    await call(async () => {
      given = make(await getSecret('KEY'))
      throw given
    })
  } catch (thrown) {
    return { given, thrown }
  }
  throw new Error('nothing was thrown')
}

it.each(made)('%s', async (_what, call, make, holds) => {
  const { given, thrown } = await thrownBy(call, make)
  expect(thrown).toBe(given)
  const { message, stack } = thrown as Error
  expect(`${message} ${stack} ${JSON.stringify(holds(thrown as never))} ${JSON.stringify(thrown)}`).not.toContain(key)
  expect(`${message} ${JSON.stringify(holds(thrown as never))} ${JSON.stringify(thrown)}`).toContain(marker)
})

// It would be a second copy where an app has required the first.
it('loads no framework for an error of the language itself, nor for one of a copy that is there', async () => {
  class Leaving extends Error {}
  const imported = vi.fn<() => Promise<{ Leaving?: unknown }>>(async () => ({ Leaving }))
  const isControlFlow = controlFlow({ required: () => [{ Leaving }], imported }, (module) => [module.Leaving])
  expect([await isControlFlow(new TypeError('t')), await isControlFlow(new Leaving())]).toEqual([false, true])
  expect(imported).not.toHaveBeenCalled()
  const isOfOther = controlFlow({ required: () => [{ Leaving: TypeError }, {}], imported }, (module: { Leaving?: unknown }) => [module.Leaving])
  expect([await isOfOther(new Leaving()), await isOfOther(new (class extends Error {})())]).toEqual([true, false])
})

it.each(made)('%s: not by its name', async (_what, call, make) => {
  const { given, thrown } = await thrownBy(call, (value) => {
    const { name, constructor } = make(value)
    return Object.defineProperty(Object.assign(new Error(value), { name }), 'constructor', { value: constructor, enumerable: false })
  })
  expect(thrown).not.toBe(given)
  expect((thrown as Error).message).toBe(marker)
})

const carrying: readonly (readonly [what: string, call: Call, make: (payload: object) => Error])[] = [
  ['GraphInterrupt of LangGraph', langchain, (payload) => new GraphInterrupt([{ id: 'i', value: payload }])],
  ['CompleteTaskWithOutput of Trigger.dev', trigger, (payload) => new CompleteTaskWithOutput(payload)],
  ['TripWire of Mastra', mastra, (payload) => new TripWire('stop', { metadata: payload })],
]

// What is asked is kept in a checkpoint, and what was clean when it was thrown was told as the object that the tool held.
it.each(carrying)('%s: not by what the tool writes into its payload later', async (_what, call, make) => {
  const payload: Record<string, unknown> = { question: 'which?' }
  let value = ''
  const { given, thrown } = await thrownBy(call, (read) => {
    value = read
    return make(payload)
  })
  payload['late'] = value
  expect(thrown).toBe(given)
  expect(inspect(thrown, { depth: 9 })).toContain('which?')
  expect(inspect(thrown, { depth: 9 })).not.toContain(key)
})
