/** Frameworks where an app, or a package of it, loads them by `require`: other copies than those that can be imported, with classes and state of their own. Both are served. */
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { build } from 'esbuild'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileFunction } from 'node:vm'
import { describe, expect, it } from 'vitest'
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

type Load = (name: string) => Promise<unknown>
const load = createRequire(import.meta.url)
/** The required one is looked for where it alone is loaded, too: so it is the first. */
const copies: readonly (readonly [which: string, load: Load])[] = [
  ['required', async (name) => load(name) as unknown],
  ['imported', async (name) => (await import(name)) as unknown],
]

// As in a worker: the SDK takes of it, when it is loaded, what belongs to the runs above. All copies keep it in one place.
const { runMetadata } = load('@trigger.dev/core/v3') as typeof import('@trigger.dev/core/v3')
const { StandardMetadataManager } = load('@trigger.dev/core/v3/workers') as typeof import('@trigger.dev/core/v3/workers')
const manager = new StandardMetadataManager({} as never)
runMetadata.setGlobalManager(manager)

type Execute = () => unknown

describe.each(copies)('of a framework that was %s', (_which, loaded) => {
  it('Mastra: the span that a tool finds by itself is clean', async () => {
    const { Agent } = (await loaded('@mastra/core/agent')) as typeof import('@mastra/core/agent')
    const { Mastra } = (await loaded('@mastra/core')) as typeof import('@mastra/core')
    const { resolveCurrentSpan } = (await loaded('@mastra/core/observability')) as typeof import('@mastra/core/observability')
    const { createTool } = (await loaded('@mastra/core/tools')) as typeof import('@mastra/core/tools')
    const { BaseExporter, Observability } = (await loaded('@mastra/observability')) as typeof import('@mastra/observability')
    const told: string[] = []
    class Telling extends BaseExporter {
      readonly name = 'telling'
      protected async _exportTracingEvent(event: unknown): Promise<void> {
        told.push(JSON.stringify(event))
      }
    }
    const execute = async (): Promise<string> => {
      resolveCurrentSpan()?.update({ metadata: { note: await getSecret('KEY') } })
      return 'done'
    }
    const search = withMastra(createTool({ id: 'search', description: 'd', execute }), options)
    const agent = new Agent({ id: 'a', name: 'a', instructions: 'i', model: model() as never, tools: { search } })
    const app = new Mastra({ agents: { agent }, observability: new Observability({ configs: { own: { serviceName: 'own', exporters: [new Telling()] } } }) })
    await (await app.getAgent('agent').stream('go')).consumeStream()
    expect(told.join('\n')).toContain(`"note":"${marker}"`)
    expect(told.join('\n')).not.toContain(key)
  })

  it('LangGraph: what a tool finds by itself to write to is clean', async () => {
    const { StructuredTool } = (await loaded('@langchain/core/tools')) as typeof import('@langchain/core/tools')
    const { END, getWriter, MessagesAnnotation, START, StateGraph } = (await loaded('@langchain/langgraph')) as typeof import('@langchain/langgraph')
    class Search extends StructuredTool {
      name = 'search'
      description = 'd'
      schema = { type: 'object', properties: {} } as never
      protected async _call(): Promise<string> {
        getWriter()?.({ note: await getSecret('KEY') })
        return 'done'
      }
    }
    const search = withLangChain(new Search(), options)
    const graph = new StateGraph(MessagesAnnotation).addNode('search', async (_state, config) => {
      await search.invoke({}, config as never)
      return {}
    })
    const told: unknown[] = []
    const compiled = graph.addEdge(START, 'search').addEdge('search', END).compile()
    for await (const chunk of await compiled.stream({ messages: [] }, { streamMode: 'custom' })) told.push(chunk)
    expect(told).toEqual([{ note: marker }])
  })

  it('Trigger.dev: what is told to the runs above is clean, and the spans of what tries again', async () => {
    manager.reset()
    const { metadata, retry } = (await loaded('@trigger.dev/sdk')) as typeof import('@trigger.dev/sdk')
    const exporter = new InMemorySpanExporter()
    trace.disable()
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    trace.setGlobalTracerProvider(provider)
    const run = async (): Promise<string> => {
      const value = await getSecret('KEY')
      metadata.parent.set('token', value)
      metadata.root.append('list', value)
      await expect(retry.onThrow(async () => Promise.reject(new Error(value)), { maxAttempts: 1 })).rejects.toThrow(value)
      return 'done'
    }
    expect(await withTrigger({ id: 'search', run }, options).run()).toBe('done')
    const { queuedParentOperations, queuedRootOperations } = manager as unknown as Record<string, Set<unknown>>
    const told = JSON.stringify([...queuedParentOperations!, ...queuedRootOperations!])
    expect(told.split(marker)).toHaveLength(3)
    const traced = JSON.stringify(exporter.getFinishedSpans().map(({ events }) => events))
    expect(traced).toContain(marker)
    expect(`${told}${traced}`).not.toContain(key)
  })

  it.each<[what: string, name: string, kind: string, make: (kind: never, value: string) => Error, call: (run: Execute, loaded: Load) => Promise<unknown>]>([
    ['LangGraph', '@langchain/langgraph', 'GraphInterrupt', (Kind: Class, value) => new Kind([{ id: 'i', value }]), ofLangChain],
    ['LangGraph for the web', '@langchain/langgraph/web', 'GraphInterrupt', (Kind: Class, value) => new Kind([{ id: 'i', value }]), ofLangChain],
    ['Hatchet', '@hatchet-dev/typescript-sdk', 'NonRetryableError', (Kind: Class, value) => new Kind(value), async (run) => withHatchet({ name: 'search', fn: run }, options).fn()],
    ['Trigger.dev', '@trigger.dev/sdk', 'AbortTaskRunError', (Kind: Class, value) => new Kind(value), ofTrigger],
    ['Trigger.dev', '@trigger.dev/sdk', 'CompleteTaskWithOutput', (Kind: Class, value) => new Kind({ value }), ofTrigger],
    ['Trigger.dev', '@trigger.dev/sdk/v3', 'OutOfMemoryError', (Kind: Class, value) => Object.assign(new Kind(), { value }), ofTrigger],
    ['Mastra', '@mastra/core/agent', 'TripWire', (Kind: Class, value) => new Kind(value, { metadata: { value } }), ofMastra],
  ])('%s (%s): %s stays the very one', async (_what, name, kind, make, call) => {
    const { [kind]: found } = (await loaded(name)) as Record<string, never>
    let given: Error | undefined
    const thrown = await rejectionOf(
      call(async () => {
        given = make(found!, await getSecret('KEY'))
        throw given
      }, loaded),
    )
    expect(thrown).toBe(given)
    const told = `${String(thrown)} ${JSON.stringify(thrown)} ${JSON.stringify(Object.entries(thrown as object))}`
    expect(told).toContain(marker)
    expect(told).not.toContain(key)
  })
})

/** Calls the tool once, and then answers. Not that of containment/, which imports the framework. */
function model(): object {
  const usage = { inputTokens: 1, outputTokens: 1, totalTokens: 2 }
  const turns = [
    [
      { type: 'tool-call', toolCallId: 'c', toolName: 'search', input: '{}' },
      { type: 'finish', finishReason: 'tool-calls', usage },
    ],
    [{ type: 'finish', finishReason: 'stop', usage }],
  ]
  const doStream = async () => ({ stream: ReadableStream.from([{ type: 'stream-start', warnings: [] }, ...(turns.shift() ?? [])]) })
  return { specificationVersion: 'v2', provider: 'fake', modelId: 'fake', supportedUrls: {}, doGenerate: () => expect.unreachable(), doStream }
}

it('is served by a bundle for CommonJS, which has no import.meta.url', async () => {
  const contents = ['agents/index', 'agents/trigger/index', 'index'].map((path) => `export * from './src/${path}.js'`).join('\n')
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    packages: 'external',
    write: false,
    logLevel: 'error',
    logOverride: { 'empty-import-meta': 'silent' },
  })
  const bundled = { exports: {} }
  const compiled = compileFunction(outputFiles[0]!.text, ['require', 'module', 'exports', '__filename'])
  Reflect.apply(compiled, undefined, [load, bundled, bundled.exports, join(root, 'bundled.cjs')])
  type Bundled = Pick<typeof import('../../src/agents/trigger/index.js'), 'withSecrets'> & typeof import('../../src/index.js')
  const { createSecrets: create, withSecrets } = bundled.exports as Bundled
  const { AbortTaskRunError } = load('@trigger.dev/sdk') as typeof import('@trigger.dev/sdk')
  const given = new AbortTaskRunError(key)
  const reading = create<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
  const read = (bundled.exports as { getSecret: typeof getSecret }).getSecret
  const run = async (): Promise<never> => {
    await read('KEY')
    throw given
  }
  expect(await rejectionOf(withSecrets({ id: 'search', run }, { secrets: reading, allow: ['KEY'] }).run())).toBe(given)
  expect(given.message).toBe(marker)
})

type Class = new (...values: unknown[]) => Error

async function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
  } catch (error) {
    return error
  }
  return expect.unreachable()
}

async function ofLangChain(run: Execute, loaded: Load): Promise<unknown> {
  const { tool } = (await loaded('@langchain/core/tools')) as typeof import('@langchain/core/tools')
  return withLangChain(tool(run as never, { name: 'search', description: 'd', schema: { type: 'object', properties: {} } }), options).invoke({})
}
async function ofTrigger(run: Execute): Promise<unknown> {
  return withTrigger({ id: 'search', run }, options).run()
}
async function ofMastra(run: Execute, loaded: Load): Promise<unknown> {
  const { createTool } = (await loaded('@mastra/core/tools')) as typeof import('@mastra/core/tools')
  return withMastra(createTool({ id: 'search', description: 'd', execute: run as never }), options).execute!({}, {} as never)
}
