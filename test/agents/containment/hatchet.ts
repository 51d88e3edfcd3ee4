/** Hatchet: a task of the real SDK, run by its own worker and traced by its own instrumentation, with a client that tells nobody but us what it would send to an engine. */
import { HatchetClient } from '@hatchet-dev/typescript-sdk/v1/index.js'
import { InternalWorker } from '@hatchet-dev/typescript-sdk/v1/client/worker/worker-internal.js'
import { context as contexts, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { withSecrets } from '../../../src/agents/hatchet/index.js'
import type { Secrets } from '../../../src/index.js'
import { seenOf } from './canary.js'
import { startHatchetTelemetry } from './hatchet-telemetry.js'
import { attackOnce, by, inputOf, seenBy, type Stage, type Tool } from './stage.js'

/** What of the second argument of a task the attacks use. */
interface Context {
  log(message: string, level?: string, extra?: object): Promise<void>
  logger: { info(message: string, extra?: object): Promise<void>; error(message: string, extra?: object): Promise<void> }
  putStream(data: string | Uint8Array): Promise<void>
  parentOutput(name: string): Promise<Record<string, unknown>>
  workflowInput(): Record<string, unknown>
  runNoWaitChild(workflow: string, input: object, options?: object): Promise<unknown>
  input: Record<string, unknown>
  data: { parents: Record<string, unknown> }
}

type Ways = Record<string, (value: string) => unknown>

const waysOf = (context: Context): Ways => ({
  'the log': (value) => context.log(`with ${value}`, 'INFO', { extra: { value } }),
  'the logger': async (value) => {
    await context.logger.info(`with ${value}`, { value })
    await context.logger.error('with', { extra: { value }, error: new Error(value) })
  },
  'the stream': (value) => context.putStream(value),
  'the stream, in pieces': async (value) => {
    await context.putStream(value.slice(0, 9))
    await context.putStream(value.slice(9))
  },
  'the stream, in bytes': async (value) => {
    const bytes = Buffer.from(value)
    await Promise.all([context.putStream(bytes.subarray(0, 9)), context.putStream(bytes.subarray(9))])
  },
  'the output of its parent': async (value) => Object.assign(await context.parentOutput('parent'), { token: value }),
  'the input of the workflow': (value) => Object.assign(context.workflowInput(), { token: value }),
  'the input in its context': (value) => {
    context.input = { token: value }
  },
  'the active span': (value) => {
    const span = trace.getActiveSpan()!
    span.setAttribute('token', value).addEvent(value, { value })
    span.recordException(new Error(value))
    span.updateName(value)
  },
  'a child that it runs': (value) => context.runNoWaitChild('child', { value }, { additionalMetadata: { value } }),
})

export const hatchet: Stage = {
  framework: 'Hatchet',
  ways: Object.keys(waysOf({} as never)),
  hasStreams: false,
  channels: ['event'],
  channelsOfErrors: ['OpenTelemetry'],
  async run(attempt, secrets, isGuarded) {
    const seen: unknown[] = []
    const plain = optionsOf(attempt)
    const stopTracing = await startHatchetTelemetry(seen)
    contexts.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    const worker = new Worker(seen)
    await worker.run(isGuarded ? withSecrets(plain, { secrets: secrets as Secrets<string>, allow: ['KEY'] }) : plain, inputOf())
    contexts.disable()
    await stopTracing()
    return seen.map(seenOf).join('\n')
  },
  // The engine hands what the first task gave to whoever starts the second one.
  async handOver({ take, post, undo }, secrets, isGuarded) {
    const seen: unknown[] = []
    const worker = new Worker(seen)
    const run = async (name: string, fn: (input: never) => Promise<string>, input: object): Promise<void> => {
      const plain = { name, fn }
      await worker.run(isGuarded ? withSecrets(plain, { secrets: secrets as Secrets<string>, allow: name === 'take' ? ['KEY'] : [] }) : plain, input)
    }
    await run('take', take, {})
    await run('post', post, { text: undo(seenBy('event', seen.map(seenOf).join('\n'))) })
  },
}

export interface TaskOptions {
  readonly name: string
  readonly fn: (input: never, context: never) => unknown
}

const optionsOf = (attempt: Tool): TaskOptions => ({
  name: 'search',
  fn: async (input: Record<string, unknown>, context: Context) => await attackOnce(attempt, { input, ways: waysOf(context) }),
})

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
export const token = `${part({ alg: 'none' })}.${part({ server_url: 'http://127.0.0.1:1', grpc_broadcast_address: '127.0.0.1:1', sub: 'tenant' })}.none`

/** Runs a task as Hatchet's worker does. */
export class Worker {
  readonly #seen: unknown[]
  readonly #client: HatchetClient

  constructor(seen: unknown[]) {
    this.#seen = seen
    const tell =
      (what: string) =>
      async (...values: unknown[]): Promise<unknown> => {
        seen.push(by(what, ...values))
        return {}
      }
    // Who reads what a task streams reads it as one.
    let streamed = Buffer.alloc(0)
    const stream = async (_run: unknown, data: string | Uint8Array): Promise<void> => {
      streamed = Buffer.concat([streamed, Buffer.from(data as string)])
      seen.push(`stream ${streamed.toString()}`)
    }
    const logger = { debug: tell('debug'), info: tell('info'), green: tell('green'), warn: tell('warn'), error: tell('error'), util: tell('util') }
    this.#client = HatchetClient.init({ token, host_port: '127.0.0.1:1', tls_config: { tls_strategy: 'none' }, logger: () => logger as never } as never)
    for (const [member, value] of Object.entries({
      dispatcher: { sendStepActionEvent: tell('event') },
      events: { putLog: tell('log'), putStream: stream },
      admin: { putWorkflow: async () => ({}), runWorkflow: tell('run') },
    }))
      Object.defineProperty(this.#client, member, { value })
  }

  async run(options: TaskOptions, given: object = { query: 'q' }): Promise<void> {
    const task = this.#client.task(options as never)
    const listeners = (['SIGTERM', 'SIGINT'] as const).map((signal) => [signal, process.listeners(signal)] as const)
    const worker = new InternalWorker(this.#client, { name: 'worker', handleKill: false })
    // It would end the process of the tests.
    for (const [signal, before] of listeners) for (const listener of process.listeners(signal)) if (!before.includes(listener)) process.removeListener(signal, listener)
    await worker.registerWorkflow(task)
    const action = {
      actionId: `${options.name}:${options.name}`,
      actionPayload: JSON.stringify({ input: given, parents: { parent: { found: 'f' } }, triggers: {}, triggered_by: 'manual', user_data: {}, step_run_errors: {} }),
      additionalMetadata: JSON.stringify({ user: 'u' }),
      taskRunExternalId: 'run-1',
      workflowRunId: 'workflow-run-1',
      taskName: options.name,
      jobName: options.name,
      getGroupKeyRunId: '',
      retryCount: 0,
      key: 'key-1',
    }
    let context: unknown
    const contexts = worker.contexts as Record<string, unknown>
    Object.defineProperty(contexts, action.key, { configurable: true, set: (made: unknown) => void (context = made) })
    await worker.handleStartStepRun(action as never)
    const { input, data } = context as { input: unknown; data: unknown }
    this.#seen.push(action, { input, data })
  }
}
