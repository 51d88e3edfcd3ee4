/** Ways out of a wrapped tool of this framework that attacks found. */
import { describe, it } from 'vitest'
import { getSecret } from '../../../src/agents/index.js'
import { withSecrets as withHatchet } from '../../../src/agents/hatchet/index.js'
import { Worker } from '../containment/hatchet.js'
import { expectClean, likeSchema, secrets, type Run } from './objects.js'

describe('Hatchet is not told by', () => {
  interface Context {
    runNoWaitChild(workflow: string, input: object, options?: object): Promise<unknown>
    readonly logger: { info(message: string, extra: object): Promise<void> }
  }
  const likeWorkflow = (value: string): object => ({ definition: {}, run: () => undefined, value })

  it.each<[string, Run<Context>]>([
    // Whatever has these two was passed on as it is, as data and within it.
    ['the input of a child that is taken for a workflow', (value, context) => context.runNoWaitChild('child', likeWorkflow(value))],
    ['its metadata that are taken for one', (value, context) => context.runNoWaitChild('child', {}, { additionalMetadata: likeWorkflow(value) })],
    ['a line of its logger', (value, context) => context.logger.info('with', likeWorkflow(value))],
    ['what is taken for a schema', (value, context) => context.runNoWaitChild('child', { deep: likeSchema(value) })],
    ['a getter of its context', (value, context) => void Object.defineProperty(context, 'input', { get: () => ({ value }), configurable: true })],
  ])('%s', async (_what, run) => {
    const seen: unknown[] = []
    const fn = async (_input: unknown, context: unknown): Promise<object> => {
      await (run(await getSecret('KEY'), context as never) as Promise<unknown>)
      return {}
    }
    await new Worker(seen).run(withHatchet({ name: 'search', fn } as never, { secrets, allow: ['KEY'] }))
    expectClean(seen)
  })
})
