/** Trigger.dev: a task of the real SDK, run by its own executor, with spans and logs that we take, and its own in-memory streams and metadata. */
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { logger, resourceCatalog, runMetadata } from '@trigger.dev/core/v3'
import { runInMockTaskContext } from '@trigger.dev/core/v3/test'
import { TriggerTracer } from '@trigger.dev/core/v3/tracer'
import { OtelTaskLogger, StandardMetadataManager, StandardResourceCatalog, TaskExecutor } from '@trigger.dev/core/v3/workers'
import { withSecrets } from '../../../src/agents/trigger/index.js'
import type { Secrets } from '../../../src/index.js'
import { seenOf } from './canary.js'
import { startTelemetry } from './collector.js'
import { attackOnce, by, inputOf, type Stage, type Tool } from './stage.js'

// As in a worker: the SDK takes of it, when it is loaded, what belongs to the runs above.
const ofParents = new StandardMetadataManager({} as never)
runMetadata.setGlobalManager(ofParents)
resourceCatalog.setGlobalResourceCatalog(new StandardResourceCatalog())
const { locals, metadata, streams, task } = await import('@trigger.dev/sdk')

const local = locals.create<unknown>('note')

interface Params {
  ctx: { run: Record<string, unknown> }
}

type Ways = Record<string, (value: string) => unknown>

const waysOf = ({ ctx }: Params): Ways => ({
  'the metadata': (value) => metadata.set('token', value),
  'the name of metadata': (value) => metadata.set(value, 1),
  'a list in the metadata': (value) => metadata.append('list', { value }),
  'the metadata of its parent': (value) => metadata.parent.set('token', value),
  'a list in the metadata of the root': (value) => metadata.root.append('list', value),
  'the logger': (value) => {
    for (const level of ['debug', 'log', 'info', 'warn', 'error'] as const) logger[level](`with ${value}`, { value, list: [{ value }] })
  },
  'a trace': (value) => logger.trace(`with ${value}`, async (span) => void span.setAttribute('value', value).addEvent(value), { attributes: { value } }),
  'an error in a trace': async (value) => {
    try {
      await logger.trace('step', () => Promise.reject(new Error(value)))
    } catch {
      // What is tried is what the span was told.
    }
  },
  'a span': (value) => logger.startSpan(value, { attributes: { value } }).setAttribute('more', value).end(),
  'the active span': (value) => trace.getActiveSpan()?.setAttribute('value', value).addEvent(value),
  'a stream': async (value) => {
    const { waitUntilComplete } = streams.pipe('progress', ReadableStream.from([value.slice(0, 9), value.slice(9)]))
    await waitUntilComplete()
  },
  'an entry of a stream': (value) => streams.append('progress', value),
  locals: (value) => locals.set(local, { value }),
  'its context': (value) => {
    ctx.run['token'] = value
  },
})

export const trigger: Stage = {
  framework: 'Trigger.dev',
  ways: Object.keys(waysOf({} as never)),
  hasStreams: false,
  channels: ['result'],
  async run(attempt, secrets, isGuarded) {
    const seen: unknown[] = []
    const plain = optionsOf(attempt)
    await runTask(isGuarded ? withSecrets(plain, { secrets: secrets as Secrets<string>, allow: ['KEY'] }) : plain, seen, inputOf())
    // The executor reads the payload for itself; whoever calls the function may not.
    const payload = { query: 'q' }
    if (attempt.attack.what === 'writes it into its input')
      await (isGuarded ? withSecrets(plain, { secrets: secrets as Secrets<string>, allow: ['KEY'] }) : plain).run(payload, { ctx: { run: {} } })
    seen.push(payload)
    return seen.map(seenOf).join('\n')
  },
  // Who starts the second task has the output of the first.
  async handOver({ take, post, undo }, secrets, isGuarded) {
    const run = async (id: string, does: (payload: never) => Promise<string>, payload: object): Promise<unknown> => {
      const plain = { id, run: does }
      return runTask(isGuarded ? withSecrets(plain, { secrets: secrets as Secrets<string>, allow: id === 'take' ? ['KEY'] : [] }) : plain, [], payload)
    }
    await run('post', post, { text: undo(await run('take', take, {})) })
  },
}

export interface TaskOptions {
  readonly id: string
  readonly run: (payload: never, params: never) => unknown
}

const optionsOf = (attempt: Tool) => ({
  id: 'search',
  retry: { maxAttempts: 1 },
  run: async (payload: Record<string, unknown>, params: Params) => await attackOnce(attempt, { input: payload, ways: waysOf(params) }),
})

/** Runs a task as Trigger.dev's worker does. */
export async function runTask(options: TaskOptions, seen: unknown[], payload: object = { query: 'q' }): Promise<{ output?: string }> {
  const traced = await startTelemetry(seen)
  const logs = { emit: (record: unknown) => void seen.push(seenOf(record)) }
  const tracer = new TriggerTracer({ tracer: traced.provider.getTracer('own'), logger: logs as never })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  logger.disable()
  logger.setGlobalTaskLogger(new OtelTaskLogger({ logger: logs as never, tracer, level: 'debug' }))
  ofParents.reset()
  const { result } = await runInMockTaskContext(async ({ ctx, outputs, locals: kept }) => {
    resourceCatalog.setCurrentFileContext('task.ts', 'task.ts')
    task(options as never)
    let told = ''
    outputs.onWrite((stream, chunk) => void seen.push(stream, seenOf(chunk), (told += String(chunk))))
    const executor = new TaskExecutor(resourceCatalog.getTask(options.id)!, {
      tracer,
      tracingSDK: {} as never,
      consoleInterceptor: { intercept: async (_console: unknown, run: () => unknown) => await run() } as never,
      retries: { enabledInDev: false },
    })
    const execution = {
      run: { id: 'run', payload: JSON.stringify(payload), payloadType: 'application/json' },
      attempt: { number: 1 },
      task: { id: options.id },
      environment: { type: 'PRODUCTION' },
    }
    const done = await executor.execute(execution as never, ctx, new AbortController().signal)
    seen.push(by('result', JSON.stringify(done)), runMetadata.current(), ctx, kept.get(local))
    return done
  })
  context.disable()
  const { queuedParentOperations, queuedRootOperations } = ofParents as unknown as Record<string, Set<unknown>>
  seen.push([...queuedParentOperations!, ...queuedRootOperations!])
  await traced.close()
  return result as { output?: string }
}
