/** What is easily done wrong with `withSecrets`, and what is said of it. */
import { Agent, tool as toolOfOpenAi, webSearchTool } from '@openai/agents'
import { tool as toolOfLangChain } from '@langchain/core/tools'
import { createTool } from '@mastra/core/tools'
import { createStep } from '@mastra/core/workflows'
import { toolDefinition } from '@tanstack/ai'
import { jsonSchema, tool as toolOfAiSdk } from 'ai'
import { describe, expect, it } from 'vitest'
import * as zod from 'zod'
import * as aiSdk from '../../src/agents/ai-sdk/index.js'
import * as hatchet from '../../src/agents/hatchet/index.js'
import { getSecret, guard } from '../../src/agents/index.js'
import * as langchain from '../../src/agents/langchain/index.js'
import * as mastra from '../../src/agents/mastra/index.js'
import * as openaiAgents from '../../src/agents/openai-agents/index.js'
import * as tanstackAi from '../../src/agents/tanstack-ai/index.js'
import * as trigger from '../../src/agents/trigger/index.js'
import { createSecrets, defineConfig, loadSecrets } from '../../src/index.js'
import * as graft from '../../src/graft/index.js'

const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: 'sk-canary-4f9d2b7a81c6e350' } } })
const execute = async (): Promise<string> => 'done'
const schema = { type: 'object', properties: {}, required: [], additionalProperties: false } as const

const tools: Readonly<Record<string, object>> = {
  'keyward/langchain': toolOfLangChain(execute, { name: 'search', description: 'd', schema }),
  'keyward/ai-sdk': toolOfAiSdk({ inputSchema: jsonSchema(schema as never), execute }),
  'keyward/openai-agents': toolOfOpenAi({ name: 'search', description: 'd', parameters: schema as never, execute }),
  'keyward/mastra': createTool({ id: 'search', description: 'd', execute }),
  'keyward/tanstack-ai': toolDefinition({ name: 'search', description: 'd', inputSchema: schema as never }).server(execute),
  'keyward/graft': { name: 'search', description: 'd', schema, execute },
  'keyward/hatchet': { name: 'search', fn: execute },
  'keyward/trigger': { id: 'search', run: execute },
}

type WithSecrets = (tools: unknown, options: unknown) => unknown
const adapters: Readonly<Record<string, WithSecrets>> = {
  'keyward/langchain': langchain.withSecrets as WithSecrets,
  'keyward/ai-sdk': aiSdk.withSecrets as WithSecrets,
  'keyward/openai-agents': openaiAgents.withSecrets as WithSecrets,
  'keyward/mastra': mastra.withSecrets as WithSecrets,
  'keyward/tanstack-ai': tanstackAi.withSecrets as WithSecrets,
  'keyward/graft': graft.withSecrets as WithSecrets,
  'keyward/hatchet': hatchet.withSecrets as WithSecrets,
  'keyward/trigger': trigger.withSecrets as WithSecrets,
}

const pairs = Object.entries(adapters).flatMap(([subpath, withSecrets]) => Object.entries(tools).map(([of, tool]) => [subpath, of, withSecrets, tool] as const))

describe.each(pairs.filter(([subpath, of]) => subpath !== of))('%s, given a tool for %s,', (_subpath, of, withSecrets, tool) => {
  it('refuses it, alone and in a set', () => {
    // Those of the AI SDK have no mark, and options of tasks are told by what they are not.
    const says = /ai-sdk|hatchet|trigger/.test(of) ? /is no tool|is not a tool/ : new RegExp(`is a tool of .*withSecrets of ${of}`)
    expect(() => withSecrets(tool, { secrets, allow: ['KEY'] })).toThrow(says)
    expect(() => withSecrets({ search: tool }, { secrets, allow: { search: ['KEY'] } })).toThrow(says)
    expect(() => withSecrets([tool], { secrets, allow: {} })).toThrow(says)
  })
})

it.each(pairs.filter(([subpath, of]) => subpath === of))('%s takes its own', (_subpath, _of, withSecrets, tool) => {
  expect(() => withSecrets(tool, { secrets, allow: ['KEY'] })).not.toThrow()
  expect(() => withSecrets({ search: tool }, { secrets, allow: { search: ['KEY'] } })).not.toThrow()
})

it.each(pairs.filter(([subpath, of]) => subpath === of))('%s takes one of its own that is frozen, and leaves it as it is', (_subpath, _of, withSecrets, tool) => {
  const frozen = Object.freeze(Object.create(Object.getPrototypeOf(tool) as object, Object.getOwnPropertyDescriptors(tool)) as object)
  expect(withSecrets(frozen, { secrets, allow: ['KEY'] })).not.toBe(frozen)
  expect(() => withSecrets(Object.freeze({ search: frozen }), Object.freeze({ secrets, allow: Object.freeze({ search: Object.freeze(['KEY']) }) }))).not.toThrow()
})

it.each(['keyward/ai-sdk', 'keyward/openai-agents', 'keyward/mastra', 'keyward/tanstack-ai', 'keyward/graft'])(
  '%s tells what a getter said when the tool was wrapped, and not what the tool has learnt since',
  (subpath) => {
    let told = 'Searches.'
    const tool = tools[subpath]!
    const members = { ...Object.getOwnPropertyDescriptors(tool), description: { get: () => told, enumerable: true } }
    const wrapped = adapters[subpath]!(Object.create(Object.getPrototypeOf(tool) as object, members), { secrets, allow: ['KEY'] }) as { description: string }
    told = 'sk-canary-4f9d2b7a81c6e350'
    expect(wrapped.description).toBe('Searches.')
    expect({ ...wrapped }.description).toBe('Searches.')
  },
)

it('a step of Mastra is refused by the AI SDK, whose tools look much like it', () => {
  const step = createStep({ id: 'search', inputSchema: zod.object({}), outputSchema: zod.string(), execute })
  for (const given of [() => aiSdk.withSecrets(step, { secrets, allow: ['KEY'] }), () => aiSdk.withSecrets({ step }, { secrets, allow: {} })])
    expect(given).toThrow(/is a tool of Mastra.*withSecrets of keyward\/mastra/)
})

it.each<[string, object]>([
  ['keyward/ai-sdk', toolOfAiSdk({ inputSchema: jsonSchema(schema as never) })],
  ['keyward/openai-agents', webSearchTool()],
  ['keyward/mastra', createTool({ id: 'search', description: 'd' })],
  ['keyward/tanstack-ai', toolDefinition({ name: 'search', description: 'd', inputSchema: schema as never }).client()],
])('%s grants nothing to a tool that somebody else runs', (subpath, tool) => {
  const withSecrets = adapters[subpath]!
  const says = /the tool "\w+" has no function that could read what it is granted; expected a tool with `execute`, or an empty list in `allow`/
  expect(() => withSecrets(tool, { secrets, allow: ['KEY'] })).toThrow(says)
  expect(() => withSecrets({ search: tool }, { secrets, allow: { search: ['KEY'] } })).toThrow(says)
  expect(() => withSecrets(tool, { secrets, allow: [] })).not.toThrow()
  expect(() => withSecrets({ search: tool }, { secrets, allow: {} })).not.toThrow()
})

const lazySchema = (): object => schema
it.each<[string, object, string]>([
  ['keyward/langchain', { type: 'web_search_20250305', name: 'web_search', max_uses: 5 }, 'web_search'],
  ['keyward/langchain', { type: 'function', function: { name: 'ask', parameters: schema } }, 'function'],
  ['keyward/langchain', { googleSearch: {} }, 'googleSearch'],
  ['keyward/mastra', { type: 'provider', id: 'openai.web_search', args: {}, inputSchema: lazySchema }, 'openai.web_search'],
  ['keyward/tanstack-ai', { name: 'web_search', description: '', metadata: { type: 'web_search_20250305', max_uses: 2 } }, 'web_search'],
])('%s passes a tool of a service in a set as it is: %j', (subpath, tool, name) => {
  const withSecrets = adapters[subpath]!
  const ofApp = tools[subpath]!
  const [mine, its] = withSecrets([ofApp, tool], { secrets, allow: { search: ['KEY'] } }) as [object, object]
  expect([mine === ofApp, its === tool]).toEqual([false, true])
  expect(withSecrets({ ofApp, tool }, { secrets, allow: {} })).toHaveProperty('tool', tool)
  expect(() => withSecrets([ofApp, tool], { secrets, allow: { [name]: ['KEY'] } })).toThrow(`the tool "${name}" has no function that could read`)
  // Where code of the app is in it, it is refused or wrapped.
  const withCode = { ...tool, execute }
  const passed = (): unknown => (withSecrets([ofApp, withCode], { secrets, allow: {} }) as object[])[1]
  if (subpath === 'keyward/langchain') expect(passed).toThrow(/is no tool/)
  else expect(passed()).not.toBe(withCode)
  expect(() => withSecrets({ tools: { ofApp } }, { secrets, allow: {} })).toThrow(/is no tool/)
})

describe('a call of withSecrets', () => {
  const search = tools['keyward/langchain']!
  const { withSecrets } = langchain as unknown as { withSecrets: WithSecrets }

  it.each<[string, () => unknown, RegExp]>([
    ['without options', () => withSecrets(search, undefined), /the second value is missing; expected withSecrets\(tools, \{ secrets, allow \}\)/],
    ['with the options first', () => withSecrets({ secrets, allow: [] }, search), /the first value is what belongs behind the tools/],
    ['without `allow`', () => withSecrets(search, { secrets }), /options\.allow is missing; expected what may be read/],
    ['without `secrets`', () => withSecrets(search, { allow: [] }), /secrets is missing; expected what createSecrets/],
    ['with a promise of secrets', () => withSecrets(search, { secrets: Promise.resolve(secrets), allow: [] }), /secrets is a promise; expected what it gives: await it/],
    ['of what is no tool, as one', () => withSecrets({ name: 'search' }, { secrets, allow: ['KEY'] }), /the first value is no tool; expected a tool of LangChain/],
    ['of a set, as one tool', () => withSecrets([search], { secrets, allow: ['KEY'] }), /options\.allow is a list, and what is wrapped is a set/],
    ['of a promise of tools', () => withSecrets(Promise.resolve([search]), { secrets, allow: {} }), /the first value is a promise; expected what it gives: await it/],
    [
      'of a map of tools',
      () => withSecrets(new Map([['search', search]]), { secrets, allow: {} }),
      /the first value is no tool; expected a tool of LangChain.*or an object with one/,
    ],
    ['of one tool, as a set', () => withSecrets(search, { secrets, allow: { search: [] } }), /options\.allow is no list/],
    ['with a name that no tool has', () => withSecrets([search], { secrets, allow: { serach: [] } }), /options\.allow\.serach is no tool of this set.*did you mean "search"\?/],
    [
      'of tools in a list that have no names',
      () => adapters['keyward/ai-sdk']!([tools['keyward/ai-sdk']], { secrets, allow: { search: [] } }),
      /tools\[0\] has no name of its own/,
    ],
    [
      'of a task that was made already',
      () => adapters['keyward/trigger']!({ id: 'search', trigger: execute }, { secrets, allow: [] }),
      /the first value is no tool; expected the options of a task/,
    ],
    ['of an empty set', () => withSecrets([], { secrets, allow: { search: [] } }), /options\.allow\.search is no tool of this set; expected none, since the set is empty/],
    ['with what is no name, for one tool', () => withSecrets(search, { secrets, allow: ['*KEY'] }), /options\.allow\[0\] has a "\*" that is not at the end/],
    [
      'with what is no name, in a set',
      () => withSecrets([search], { secrets, allow: { search: ['KEY', '*KEY'] } }),
      /options\.allow\.search\[1\] has a "\*" that is not at the end/,
    ],
    ['with one name for two tools', () => withSecrets([search, search], { secrets, allow: { search: ['KEY'] } }), /tools\[1\] has the name of another tool of the list/],
    ['with no options for the model', () => langchain.redactModelInput(undefined as never), /secrets is missing/],
    ['with a view in the place of options', () => langchain.redactModelInput(secrets as never), /options is a view; expected \{ secrets \}/],
  ])('%s', (_what, run, says) => {
    expect(run).toThrow(says)
  })

  it('names the tool whose list has a name that the config does not declare', async () => {
    const declared = await loadSecrets({ config: defineConfig({ secrets: { KEY: {} }, environments: { production: { provider: 'memory' } } }) })
    expect(() => withSecrets([search], { secrets: declared, allow: { search: ['KYE'] } })).toThrow(/options\.allow\.search has a name that `secrets` does not declare; .*"KEY"/)
    expect(() => withSecrets(search, { secrets: declared, allow: ['KYE'] })).toThrow(/options\.allow has a name that `secrets` does not declare/)
  })

  it('names a tool of an object by its key, or by what it calls itself, as a denial does', async () => {
    const make = (id: string) => createTool({ id, description: 'd', execute: async () => getSecret('KEY') })
    const read = async (allow: object): Promise<unknown> => {
      const wrapped = adapters['keyward/mastra']!({ first: make('own-name'), second: make('first') }, { secrets, allow }) as Record<
        string,
        { execute(...values: unknown[]): Promise<unknown> }
      >
      return Promise.all(['first', 'second'].map(async (key) => wrapped[key]!.execute({}, {}).catch((error: Error) => error.message)))
    }
    expect(await read({ first: ['KEY'] })).toEqual(['[secret KEY]', expect.stringContaining('not granted')])
    expect(await read({ 'own-name': ['KEY'] })).toEqual(['[secret KEY]', expect.stringContaining('not granted')])
    expect(await read({})).toEqual([expect.stringContaining('tool "own-name"'), expect.stringContaining('not granted')])
  })

  it('wraps an agent that was made a tool', () => {
    const agent = new Agent({ name: 'agent' }).asTool({ toolName: 'ask' })
    expect(() => adapters['keyward/openai-agents']!(agent, { secrets, allow: [] })).not.toThrow()
  })
})

it('a read that a tool forgot to await ends no process', async () => {
  const rejections: unknown[] = []
  const listeners = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', (error) => rejections.push(error))
  const slow = createSecrets<string>({
    provider: { name: 'slow', get: async (): Promise<never> => new Promise(() => undefined), failure: () => ({ code: 'unavailable' }) },
    timeout: '50ms',
  })
  const tool = guard(async () => void getSecret('KEY'), { secrets: slow, tool: 'search', allow: ['KEY'] })
  await tool()
  await guard(async () => void getSecret('OTHER'), { secrets, tool: 'search', allow: ['KEY'] })()
  await new Promise((resolve) => void setTimeout(resolve, 100))
  process.removeAllListeners('unhandledRejection')
  for (const listener of listeners) process.on('unhandledRejection', listener)
  expect(rejections).toEqual([])
})
