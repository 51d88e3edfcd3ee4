/** Spans of OpenTelemetry's own SDK and exporter, as a collector gets them. */
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { SpanStatusCode } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { expect, expectTypeOf, it } from 'vitest'
import { createSecrets } from '../../src/index.js'
import { redactSpans } from '../../src/redaction/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const open = async () => {
  const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
  await secrets.getSecret('KEY')
  return secrets
}

function trace(provider: BasicTracerProvider): void {
  const tracer = provider.getTracer('test')
  const span = tracer.startSpan(`call ${key}`, { attributes: { url: `https://a.example/?k=${key}`, list: ['a', key], count: 3 } })
  span.addEvent(`event ${key}`, { key })
  span.recordException(new Error(`failed with ${key}`))
  span.setStatus({ code: SpanStatusCode.ERROR, message: key })
  span.end()
}

it('reach a collector clean, and whole but for what is known', async () => {
  const bodies: Buffer[] = []
  const server = createServer((request, response) => {
    void (async () => {
      bodies.push(await buffer(request))
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const secrets = await open()
  const exporter = new OTLPTraceExporter({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces` })
  for (const isClean of [false, true]) {
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(isClean ? redactSpans(secrets, exporter) : exporter)] })
    trace(provider)
    await provider.forceFlush()
  }
  server.close()
  const [control, clean] = bodies.map((body) => body.toString())
  expect(control).toContain(key)
  expect(clean).not.toContain(key)
  expect(clean).toContain('https://a.example/?k=[secret KEY]')
  expect(clean).toContain('call [secret KEY]')
  await exporter.shutdown()
})

it('keep their ids, kinds and times; the exporter keeps its type', async () => {
  const secrets = await open()
  const exporter = new InMemorySpanExporter()
  const wrapped = redactSpans(secrets, exporter)
  expectTypeOf(wrapped).toEqualTypeOf<InMemorySpanExporter>()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(wrapped), new SimpleSpanProcessor(new InMemorySpanExporter())] })
  trace(provider)
  await provider.forceFlush()
  const [span] = wrapped.getFinishedSpans()
  expect(span!.attributes).toMatchObject({ count: 3, list: ['a', '[secret KEY]'] })
  expect(span!.spanContext().traceId).toMatch(/^[\da-f]{32}$/)
  expect(span!.ended).toBe(true)
  expect(span!.instrumentationScope.name).toBe('test')
})

it('are not exported once nothing is known any more', async () => {
  const secrets = await open()
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(redactSpans(secrets, exporter))] })
  await secrets.close()
  trace(provider)
  await provider.forceFlush()
  expect(exporter.getFinishedSpans()).toEqual([])
})
