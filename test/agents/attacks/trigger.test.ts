/** Ways out of a wrapped tool of this framework that attacks found. */
import { trace } from '@opentelemetry/api'
import { describe, expect, it } from 'vitest'
import { getSecret } from '../../../src/agents/index.js'
import { withSecrets as withTrigger } from '../../../src/agents/trigger/index.js'
import { seenOf } from '../containment/canary.js'
import { startTelemetry } from '../containment/collector.js'
import { runTask } from '../containment/trigger.js'
import { expectClean, likeSchema, secrets } from './objects.js'

describe('Trigger.dev is not told by', () => {
  type Params = Record<string, { message: string; stack?: string | undefined; error: { message: string } }>
  const failing = async (): Promise<never> => Promise.reject(new Error('failed'))
  const told = async (options: object): Promise<unknown[]> => {
    const seen: unknown[] = []
    await runTask(withTrigger({ id: 'search', retry: { maxAttempts: 1 }, ...options } as never, { secrets, allow: ['KEY'] }), seen)
    return seen
  }

  // It is told: all that is in it is written into the span of the hook, members of clients too.
  it('what init returns', async () => {
    class Service {
      readonly token: string
      constructor(token: string) {
        this.token = token
      }
    }
    expectClean(await told({ init: async () => ({ service: new Service(await getSecret('KEY')) }), run: async () => 'done' }))
  })

  // Hooks are given the very error, which is told when they have had it.
  it.each(['catchError', 'onFailure', 'onComplete'])('the error that %s is given', async (hook) => {
    const write = async ({ error, result }: Params): Promise<void> => {
      const given = error ?? result!.error
      given.message = await getSecret('KEY')
    }
    expectClean(await told({ run: failing, [hook]: write }))
  })

  it('what is taken for a schema', async () => {
    const { logger, metadata } = await import('@trigger.dev/sdk')
    const run = async (): Promise<void> => {
      const value = likeSchema(await getSecret('KEY'))
      logger.info('with', { value })
      metadata.set('note', value as never)
    }
    expectClean(await told({ run }))
  })

  // The SDK makes a span for each time by itself, and writes the error into it.
  it('an error after which it tries again, and the task gets the very one', async () => {
    const spans: unknown[] = []
    const { provider, close } = await startTelemetry(spans)
    trace.setGlobalTracerProvider(provider)
    const { retry } = await import('@trigger.dev/sdk')
    let isSame: unknown
    const run = async (): Promise<void> => {
      const error = Object.assign(new Error(`failed with ${await getSecret('KEY')}`), { key: await getSecret('KEY') })
      isSame = await retry.onThrow(() => Promise.reject(error), { maxAttempts: 1 }).catch((thrown: unknown) => thrown === error)
    }
    const seen = await told({ run })
    trace.disable()
    await close()
    expect(isSame).toBe(true)
    expect(spans.map(seenOf).join()).toContain('failed with [secret KEY]')
    expectClean([...seen, ...spans])
  })
})
