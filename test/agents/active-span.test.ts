/** The span of OpenTelemetry that is active where a tool runs. */
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { toolDefinition } from '@tanstack/ai'
import { createTool } from '@mastra/core/tools'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { getSecret } from '../../src/agents/index.js'
import { withSecrets as ofHatchet } from '../../src/agents/hatchet/index.js'
import { withSecrets as ofMastra } from '../../src/agents/mastra/index.js'
import { withSecrets as ofTanstackAi } from '../../src/agents/tanstack-ai/index.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
const exporter = new InMemorySpanExporter()
const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).getTracer('own')

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()))
afterAll(() => context.disable())

const tells = async (): Promise<string> => {
  const value = await getSecret('KEY')
  const span = trace.getActiveSpan()!
  span.setAttribute('value', value).addEvent(value, { value }).recordException(new Error(value))
  span.updateName(value)
  // A child knows whose it is.
  tracer.startSpan('child').end()
  return span.spanContext().traceId
}
const mastra = ofMastra(createTool({ id: 'search', description: 'd', execute: tells }), { secrets, allow: ['KEY'] })
const tanstack = ofTanstackAi(toolDefinition({ name: 'search', description: 'd' }).server(tells), { secrets, allow: ['KEY'] })
const hatchet = ofHatchet({ name: 'search', fn: tells }, { secrets, allow: ['KEY'] })

it.each<[string, () => unknown]>([
  ['Mastra', () => mastra.execute?.({}, {} as never)],
  ['TanStack AI', () => tanstack.execute?.({})],
  ['Hatchet', () => hatchet.fn()],
])('is clean in %s', async (_framework, run) => {
  exporter.reset()
  const traceId = await tracer.startActiveSpan('tool', async (span) => {
    const result = await run()
    expect(trace.getActiveSpan()).toBe(span)
    span.end()
    return result
  })
  const spans = exporter.getFinishedSpans()
  expect(spans.map(({ name }) => name)).toEqual(['child', '[secret KEY]'])
  expect(spans[0]?.parentSpanContext?.spanId).toBe(spans[1]?.spanContext().spanId)
  expect(spans[0]?.spanContext().traceId).toBe(traceId)
  expect(JSON.stringify(spans.map(({ name, attributes, events }) => ({ name, attributes, events })))).not.toContain(key)
})
