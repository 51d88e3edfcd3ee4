/** What Hatchet's own instrumentation writes of each task, exported by its own exporter to a collector of OTLP on loopback. */
import { createRequire } from 'node:module'
import { Metadata, Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js'
import { HatchetInstrumentor } from '@hatchet-dev/typescript-sdk/opentelemetry/index.js'
import { createHatchetSpanProcessor } from '@hatchet-dev/typescript-sdk/opentelemetry/hatchet-exporter.js'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { by } from './stage.js'

const instrumentor = new HatchetInstrumentor({ enableHatchetCollector: false })
// It patches what is required once it is there, of ES modules nothing.
createRequire(import.meta.url)('@hatchet-dev/typescript-sdk/v1/client/worker/worker-internal.js')
instrumentor.disable()

/** Until the returned function is called all tasks are traced, and what is exported is seen under `OpenTelemetry`, with the metadata of its request. */
export async function startHatchetTelemetry(seen: unknown[]): Promise<() => Promise<void>> {
  const server = new Server()
  const asIs = (bytes: Buffer): Buffer => bytes
  const take: handleUnaryCall<Buffer, Buffer> = ({ request, metadata }, answer) => {
    seen.push(by('OpenTelemetry', JSON.stringify(metadata.getMap()), request.toString('latin1')))
    answer(null, Buffer.alloc(0), new Metadata())
  }
  const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
  const ways = { requestStream: false, responseStream: false, requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs }
  server.addService({ export: { path, ...ways } }, { export: take })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)))
  })
  const config = { token: 'none', host_port: `127.0.0.1:${port}`, tls_config: { tls_strategy: 'none' } }
  const provider = new BasicTracerProvider({ spanProcessors: [createHatchetSpanProcessor(config as never)] })
  instrumentor.setTracerProvider(provider)
  instrumentor.enable()
  return async () => {
    instrumentor.disable()
    await provider.shutdown()
    server.forceShutdown()
  }
}
