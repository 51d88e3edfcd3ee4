/** Tasks as docs/hatchet-and-trigger.md writes them: what a function is given has to be said, since it stands in options that withSecrets is given before the SDK. */
import type { Context, HatchetClient } from '@hatchet-dev/typescript-sdk'
import { schedules, schemaTask, task, type Context as RunContext } from '@trigger.dev/sdk'
import { expectTypeOf, test } from 'vitest'
import * as zod from 'zod'
import { withSecrets } from '../../src/agents/hatchet/index.js'
import { withSecrets as withTrigger } from '../../src/agents/trigger/index.js'
import type { Secrets } from '../../src/index.js'

declare const secrets: Secrets<'KEY'>
declare const hatchet: HatchetClient

test('of Hatchet', () => {
  const fn = async (input: { order: string }, context: Context<{ order: string }>) => ({ order: input.order, run: context.workflowRunId() })
  const charge = hatchet.task(withSecrets({ name: 'charge', retries: 3, fn }, { secrets, allow: ['KEY'] }))
  expectTypeOf(charge.run({ order: 'o' })).resolves.toEqualTypeOf<{ order: string; run: string }>()
})

test('of Trigger.dev', () => {
  const run = async (payload: { order: string }, { ctx }: { ctx: RunContext }) => `${payload.order} ${ctx.run.id}`
  const charge = task(withTrigger({ id: 'charge', run }, { secrets, allow: ['KEY'] }))
  expectTypeOf(charge.trigger).parameter(0).toEqualTypeOf<{ order: string }>()
  expectTypeOf(charge.id).toEqualTypeOf<'charge'>()
  const retried = task(withTrigger({ id: 'retried', machine: 'small-1x', retry: { maxAttempts: 3 }, queue: { concurrencyLimit: 1 }, run }, { secrets, allow: ['KEY'] }))
  expectTypeOf(retried.id).toEqualTypeOf<'retried'>()
  // @ts-expect-error a name that the view lacks
  withTrigger({ id: 'charge', run }, { secrets, allow: ['KYE'] })
  const schema = zod.object({ order: zod.string() })
  schemaTask(withTrigger({ id: 'parsed', schema, run: async (payload: zod.output<typeof schema>) => payload.order }, { secrets, allow: ['KEY'] }))
  schedules.task(withTrigger({ id: 'hourly', cron: '0 * * * *', run: async (payload: { timestamp: Date }) => payload.timestamp }, { secrets, allow: ['KEY'] }))
})
