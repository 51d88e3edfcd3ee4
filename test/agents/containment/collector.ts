/** A collector on loopback, which takes whatever a tracer posts: OTLP of OpenTelemetry, runs of LangSmith, traces of OpenAI and of Mastra. */
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { listen } from './network.js'
import { by } from './stage.js'

export interface Collector {
  readonly origin: string
  close(): void
}

/** What is posted is seen under `channel`, with the path and the headers of its request. */
export async function startCollector(seen: unknown[], channel: string): Promise<Collector> {
  const { server, origin } = await listen(
    createServer((request, response) => {
      void (async () => {
        const body = decoded(await buffer(request), request.headers['content-encoding'])
        if (request.method !== 'GET') seen.push(by(channel, request.url, JSON.stringify(request.rawHeaders), body.toString('latin1')))
        response.writeHead(202, { 'content-type': 'application/json' }).end('{}')
      })()
    }),
  )
  return {
    origin,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function decoded(body: Buffer, coding: string | undefined): Buffer {
  if (coding === 'gzip') return gunzipSync(body)
  return coding === 'zstd' ? zstdDecompressSync(body) : body
}

export interface Telemetry {
  readonly provider: BasicTracerProvider
  /** Once all that was traced has been posted. */
  close(): Promise<void>
}

/** Spans as OpenTelemetry's own exporter posts them, with their resource, scope, links, attributes and events. */
export async function startTelemetry(seen: unknown[]): Promise<Telemetry> {
  const collector = await startCollector(seen, 'OpenTelemetry')
  const exporter = new OTLPTraceExporter({ url: `${collector.origin}/v1/traces` })
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  return {
    provider,
    async close() {
      await provider.shutdown()
      collector.close()
    },
  }
}
