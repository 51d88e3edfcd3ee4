import { context, createContextKey, ROOT_CONTEXT, trace, type Context, type ContextManager, type SpanContext } from '@opentelemetry/api'
import { AsyncLocalStorage } from 'node:async_hooks'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { createBackend } from '../access/backend.js'

const storage = new AsyncLocalStorage<Context>()
const manager: ContextManager = {
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (active, run, self, ...rest) => storage.run(active, () => run.apply(self as never, rest)),
  bind: (_active, target) => target,
  enable: () => manager,
  disable: () => manager,
}
const spans: SpanContext[] = [
  { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 },
  { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', traceFlags: 1 },
]
const within = <Result>(index: number, run: () => Result): Result => context.with(trace.setSpan(context.active(), trace.wrapSpanContext(spans[index] as SpanContext)), run)
const idsOf = (index: number): object => ({ traceId: spans[index]?.traceId, spanId: spans[index]?.spanId })

let events: AuditEvent[]
const createView = () => {
  events = []
  return createSecrets<string>({ provider: async () => createBackend().provider, audit: (event) => void events.push(event) })
}

describe('with OpenTelemetry', () => {
  beforeEach(() => void context.setGlobalContextManager(manager))
  afterEach(() => context.disable())

  it('events have the ids of the span in which the read began, from the first read on', async () => {
    const secrets = createView()
    await within(0, () => secrets.getSecret('A'))
    await within(1, () => secrets.getSecret('A'))
    await secrets.getSecret('A')
    await within(1, () => secrets.getSecret('A', { as: 'bytes' }))
    await within(0, () => secrets.getSecret('').catch(() => 0))
    expect(events.map((event) => event.trace)).toEqual([idsOf(0), idsOf(1), undefined, idsOf(1), idsOf(0)])
    expect(Object.hasOwn(events[2] ?? {}, 'trace')).toBe(false)
  })

  it('reads that share a call have each their own', async () => {
    const secrets = createView()
    await Promise.all([within(0, () => secrets.getSecret('A')), within(1, () => secrets.getSecret('A')), within(1, () => secrets.scope({ allow: ['A'] }).getSecret('A'))])
    const traces = events.filter(({ type }) => type === 'read').map((event) => event.trace)
    expect(traces.toSorted((left, right) => String(left?.traceId).localeCompare(String(right?.traceId)))).toEqual([idsOf(0), idsOf(1), idsOf(1)])
    expect(events.find(({ type }) => type === 'scope')?.trace).toEqual(idsOf(1))
  })

  it('revocations and invalidations have them as well', async () => {
    const secrets = createView()
    const scope = secrets.scope({ allow: ['A'] })
    within(0, () => scope.invalidate('A'))
    await within(1, () => scope.revoke())
    expect(events.map((event) => [event.type, event.trace])).toEqual([
      ['scope', undefined],
      ['invalidate', idsOf(0)],
      ['revoke', idsOf(1)],
    ])
  })

  it('a context without a span has none, and other values of it are not looked at', async () => {
    const secrets = createView()
    await context.with(ROOT_CONTEXT.setValue(createContextKey('other'), { spanContext: () => spans[0] }), () => secrets.getSecret('A'))
    expect(events[0]).not.toHaveProperty('trace')
  })

  it('that fails harms no read', async () => {
    context.disable()
    context.setGlobalContextManager({
      ...manager,
      active: () => {
        throw new Error('tracing failed')
      },
    })
    const secrets = createView()
    expect(await secrets.getSecret('A')).toBe('value of A')
    expect(await secrets.getSecret('A')).toBe('value of A')
    expect(events).toHaveLength(2)
  })
})

it('without OpenTelemetry events have no trace', async () => {
  const secrets = createView()
  await secrets.getSecret('A')
  expect(events[0]).not.toHaveProperty('trace')
})
