/** Ways out of a wrapped tool of this framework that attacks found. */
import { describe, it } from 'vitest'
import { getSecret } from '../../../src/agents/index.js'
import { withSecrets as withTrigger } from '../../../src/agents/trigger/index.js'
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
})
