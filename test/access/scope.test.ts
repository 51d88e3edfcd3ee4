import { describe, expect, it } from 'vitest'
import { createSecrets, type AuditEvent, type Scope } from '../../src/index.js'
import { createRoot } from '../../src/read/secrets.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { createBackend, errorOf } from './backend.js'

interface Held {
  release: () => void
}
const createHolding = (): { backend: ReturnType<typeof createBackend>; held: Held[] } => {
  const held: Held[] = []
  const backend = createBackend(undefined, {})
  const get = backend.provider.get.bind(backend.provider)
  const provider = {
    ...backend.provider,
    get: async (request: Parameters<typeof get>[0], context: Parameters<typeof get>[1]) => {
      const answer = await get(request, context)
      await new Promise<void>((release) => held.push({ release }))
      return answer
    },
  }
  return { backend: { ...backend, provider }, held }
}
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

describe('a scope', () => {
  it('refuses what it does not grant, and the backend never hears of it', async () => {
    const { provider, requests } = createBackend()
    const secrets = createSecrets<string>({ provider })
    const scope = secrets.scope({ agent: 'researcher', tool: 'ask', allow: ['A', 'search/*'] })
    for (const name of ['B', 'a', 'search', 'AB', '__proto__', 'constructor', 'toString']) {
      const error = await errorOf(scope.getSecret(name as never))
      expect(error).toMatchObject({
        name: 'AccessDeniedError',
        code: 'denied',
        deniedBy: 'scope',
        reason: 'not-granted',
        secret: name,
        agent: 'researcher',
        tool: 'ask',
        attempts: 0,
      })
      expect([error.provider, error.reference]).toEqual([undefined, undefined])
      expect(await errorOf(scope.getSecrets([name as never]))).toMatchObject({ code: 'denied' })
      expect(await errorOf(scope.useSecret(name as never, () => 1))).toMatchObject({ code: 'denied' })
      expect(await errorOf(scope.describeSecret(name as never))).toMatchObject({ code: 'denied' })
      expect(await errorOf(() => scope.invalidate(name as never))).toMatchObject({ code: 'denied' })
    }
    expect(requests).toEqual([])
  })

  it('grants nothing by default', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const scope = secrets.scope({ allow: [] })
    expect(await errorOf(scope.getSecret('A' as never))).toMatchObject({ reason: 'not-granted' })
    expect(await errorOf(scope.scope({ allow: ['*'] }).getSecret('A' as never))).toMatchObject({ reason: 'not-granted' })
  })

  it('refuses what is cached for another view', async () => {
    const { provider } = createBackend()
    const secrets = createSecrets<string>({ provider })
    await secrets.getSecret('A')
    expect(await errorOf(secrets.scope({ allow: ['B'] }).getSecret('A' as never))).toMatchObject({ code: 'denied' })
  })

  it('answers a denial with no default', async () => {
    const scope = createSecrets<string>({ provider: createBackend().provider }).scope({ allow: [] })
    expect(await errorOf(scope.getSecret('A' as never, { default: 'x' }))).toMatchObject({ code: 'denied' })
  })

  it('says before the options and before an abort that it refuses', async () => {
    const scope = createSecrets<string>({ provider: createBackend().provider }).scope({ allow: [] })
    expect(await errorOf(scope.getSecret('A' as never, { signal: AbortSignal.abort('why') }))).toMatchObject({ code: 'denied' })
    expect(await errorOf(scope.getSecret('A' as never, { maxAge: 5 as never }))).toMatchObject({ code: 'denied' })
  })

  it('that needs the backend is refused where the process alone would enforce', async () => {
    const { provider, requests } = createBackend()
    const secrets = createSecrets<string>({ provider })
    const scope = secrets.scope({ allow: ['A'], enforcement: 'backend' })
    expect(scope.enforcement).toBe('process')
    for (const view of [scope, scope.scope({ allow: ['A'] })]) expect(await errorOf(view.getSecret('A'))).toMatchObject({ code: 'denied', reason: 'enforcement' })
    expect(requests).toEqual([])
  })
})

describe('an agent', () => {
  it('is set once on a chain', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const scope = secrets.scope({ agent: 'one', allow: ['A'] })
    const nameless = scope.scope({ allow: ['A'] })
    expect([scope.agent, nameless.agent, scope.scope({ agent: 'one', allow: ['A'] }).agent, secrets.scope({ allow: [] }).scope({ agent: 'two', allow: [] }).agent]).toEqual([
      'one',
      'one',
      'one',
      'two',
    ])
    for (const view of [scope, nameless, nameless.scope({ tool: 't', allow: [] })]) {
      for (const agent of ['two', 'One', 'one ']) {
        expect(await errorOf(() => view.scope({ agent, allow: [] }))).toMatchObject({ code: 'denied', deniedBy: 'scope', agent: 'one' })
      }
    }
  })

  it('of a config gets its scope, the same one until that is over', async () => {
    const clock = createFakeClock()
    const secrets = createRoot<string>({ provider: createBackend().provider, clock }, { agents: { one: { allow: ['A'], expiresIn: '1m' }, two: { allow: ['A'], maxReads: 2 } } })
    const [one, two] = [secrets.agent('one'), secrets.agent('two')]
    expect(secrets.agent('one')).toBe(one)
    expect(one.agent).toBe('one')
    await two.getSecret('A')
    expect(secrets.agent('two')).toBe(two)
    await two.getSecret('A')
    expect(secrets.agent('two')).not.toBe(two)
    clock.advance(60_000)
    const later = secrets.agent('one')
    expect(later).not.toBe(one)
    expect(await later.getSecret('A')).toBe('value of A')
    await later.revoke()
    expect(secrets.agent('one')).not.toBe(later)
    expect(await errorOf(later.getSecret('A'))).toMatchObject({ reason: 'revoked' })
  })

  it('that is not declared is told of, with the nearest that is', async () => {
    const secrets = createRoot<string>({ provider: createBackend().provider }, { agents: { researcher: { allow: [] } } })
    for (const name of ['reseacher', '__proto__', 'toString', '', undefined, {}])
      expect(await errorOf(() => secrets.agent(name as string))).toMatchObject({ code: 'invalid-config' })
    expect((await errorOf(() => secrets.agent('reseacher'))).message).toContain('did you mean "researcher"')
    expect(await errorOf(() => createSecrets<string>({ provider: createBackend().provider }).agent('a'))).toMatchObject({ code: 'invalid-config' })
  })
})

describe('labels', () => {
  const labelsOf = (events: readonly AuditEvent[]): unknown => events.findLast(({ type }) => type === 'read')?.labels

  it('are added by children and never changed', async () => {
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider: createBackend().provider, audit: (event) => void events.push(event) })
    const parent = secrets.scope({ allow: ['A'], labels: { run: '1' } })
    const child = parent.scope({ allow: ['A'], labels: { step: '2', run: '1' } })
    await child.getSecret('A')
    expect(labelsOf(events)).toEqual({ run: '1', step: '2' })
    await parent.getSecret('A')
    expect(labelsOf(events)).toEqual({ run: '1' })
    expect(await errorOf(() => parent.scope({ allow: [], labels: { run: '2' } }))).toMatchObject({ code: 'denied' })
    expect(await errorOf(() => child.scope({ allow: [], labels: { step: '3' } }))).toMatchObject({ code: 'denied' })
    await secrets.getSecret('A')
    expect(labelsOf(events)).toBeUndefined()
  })

  it('cannot be changed through an event', async () => {
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider: createBackend().provider, audit: (event) => void events.push(event) })
    const scope = secrets.scope({ allow: ['A'], labels: { run: '1' } })
    await scope.getSecret('A')
    for (const event of events) {
      const { labels } = event as { labels?: Record<string, string> }
      if (labels !== undefined) expect(() => (labels['run'] = '2')).toThrow(TypeError)
    }
    await scope.getSecret('A')
    expect(labelsOf(events)).toEqual({ run: '1' })
  })

  it('may have whatever keys', async () => {
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider: createBackend().provider, audit: (event) => void events.push(event) })
    const labels = JSON.parse('{"__proto__":"p","constructor":"c"}') as Record<string, string>
    await secrets
      .scope({ allow: ['A'], labels })
      .scope({ allow: ['A'], labels: { x: 'y' } })
      .getSecret('A')
    expect(JSON.stringify(labelsOf(events))).toBe('{"__proto__":"p","constructor":"c","x":"y"}')
  })
})

describe('an expiry', () => {
  it('ends a scope at its time, hits too, and for good', async () => {
    const clock = createFakeClock()
    const { provider, requests } = createBackend()
    const secrets = createSecrets<string>({ provider, clock })
    const scope = secrets.scope({ allow: ['A'], expiresIn: '10s' })
    await scope.getSecret('A')
    clock.jump(9_999)
    expect(await scope.getSecret('A')).toBe('value of A')
    clock.jump(1)
    expect(await errorOf(scope.getSecret('A'))).toMatchObject({ code: 'denied', reason: 'expired' })
    clock.jump(-60_000)
    expect(await errorOf(scope.getSecret('A'))).toMatchObject({ code: 'denied', reason: 'expired' })
    expect(await errorOf(() => scope.scope({ allow: ['A'] }))).toMatchObject({ code: 'denied', reason: 'expired' })
    expect(await errorOf(() => scope.invalidate())).toMatchObject({ code: 'denied', reason: 'expired' })
    expect(requests).toHaveLength(1)
  })

  it('of an ancestor ends the descendants, and no child outlives it', async () => {
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: createBackend().provider, clock })
    const parent = secrets.scope({ allow: ['A'], expiresIn: '10s' })
    const views = [parent.scope({ allow: ['A'] }), parent.scope({ allow: ['A'], expiresIn: '1d' }), parent.scope({ allow: ['A'] }).scope({ allow: ['A'], expiresIn: '1h' })]
    for (const view of views) await view.getSecret('A')
    clock.jump(10_000)
    for (const view of views) expect(await errorOf(view.getSecret('A'))).toMatchObject({ reason: 'expired' })
  })

  it('ends a read in flight when its answer comes', async () => {
    const clock = createFakeClock()
    const { backend, held } = createHolding()
    const scope = createSecrets<string>({ provider: backend.provider, clock }).scope({ allow: ['A'], expiresIn: '5s' })
    const reads = [scope.getSecret('A'), scope.getSecret('A', { as: 'bytes' }), scope.useSecret('A', () => 1), scope.getSecrets(['A']), scope.describeSecret('A')]
    const errors = reads.map((read) => errorOf(read))
    await turn()
    clock.jump(5_000)
    for (const { release } of held) release()
    for (const error of await Promise.all(errors)) expect(error).toMatchObject({ code: 'denied', reason: 'expired' })
  })

  it('holds while a schema takes its time', async () => {
    const clock = createFakeClock()
    const scope = createSecrets<string>({ provider: createBackend().provider, clock }).scope({ allow: ['A'], expiresIn: '5s' })
    let accept: ((result: { value: unknown }) => void) | undefined
    const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: (): Promise<{ value: unknown }> => new Promise((resolve) => (accept = resolve)) } }
    const read = errorOf(scope.getSecret('A', { schema }))
    await turn()
    clock.jump(5_000)
    accept?.({ value: 1 })
    expect(await read).toMatchObject({ code: 'denied', reason: 'expired' })
  })

  it('of 0 ends at once', async () => {
    const scope = createSecrets<string>({ provider: createBackend().provider }).scope({ allow: ['A'], expiresIn: '0ms' })
    expect(await errorOf(scope.getSecret('A'))).toMatchObject({ reason: 'expired' })
  })
})

describe('a revocation', () => {
  const ended = { code: 'denied', deniedBy: 'scope', reason: 'revoked' }

  it('ends hits, reads, narrowing and invalidation at once, for children and grandchildren too, and no one else', async () => {
    const { provider, requests } = createBackend()
    const secrets = createSecrets<string>({ provider })
    const scope = secrets.scope({ allow: ['*'] })
    const child = scope.scope({ allow: ['A', 'B'] })
    const grandchild = child.scope({ allow: ['A'] })
    const sibling = secrets.scope({ allow: ['A'] })
    const views: readonly Scope<string>[] = [scope, child as Scope<string>, grandchild as Scope<string>]
    for (const view of [...views, sibling]) await view.getSecret('A')
    const revoked = scope.revoke()
    for (const view of views) {
      expect(await errorOf(view.getSecret('A'))).toMatchObject(ended)
      expect(await errorOf(view.getSecret('A', { fresh: true }))).toMatchObject(ended)
      expect(await errorOf(view.getSecrets(['A']))).toMatchObject(ended)
      expect(await errorOf(view.useSecret('A', () => 1))).toMatchObject(ended)
      expect(await errorOf(view.describeSecret('A'))).toMatchObject(ended)
      expect(await errorOf(() => view.scope({ allow: ['A'] }))).toMatchObject(ended)
      expect(await errorOf(() => view.invalidate('A'))).toMatchObject(ended)
      expect(await errorOf(() => view.invalidate())).toMatchObject(ended)
    }
    await revoked
    await scope.revoke()
    expect(await sibling.getSecret('A')).toBe('value of A')
    expect(await secrets.getSecret('A')).toBe('value of A')
    expect(requests).toHaveLength(1)
  })

  it('leaves the parent of what was revoked as it is', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const scope = secrets.scope({ allow: ['A'] })
    await scope.scope({ allow: ['A'] }).revoke()
    expect(await scope.getSecret('A')).toBe('value of A')
  })

  it('reaches reads in flight, while the same call answers others', async () => {
    const { backend, held } = createHolding()
    const secrets = createSecrets<string>({ provider: backend.provider })
    const scope = secrets.scope({ allow: ['*'] })
    const grandchild = scope.scope({ allow: ['*'] }).scope({ allow: ['*'] })
    const other = secrets.scope({ allow: ['A'] }).getSecret('A')
    const errors = [scope, grandchild].flatMap((view) => [
      errorOf(view.getSecret('A')),
      errorOf(view.getSecret('A')),
      errorOf(view.getSecret('A', { as: 'json' })),
      errorOf(view.getSecrets(['A', 'B'])),
      errorOf(view.useSecret('A', () => 'used')),
      errorOf(view.describeSecret('A')),
    ])
    await turn()
    await scope.revoke()
    for (const error of await Promise.all(errors)) expect(error).toMatchObject(ended)
    for (const { release } of held) release()
    expect(await other).toBe('value of A')
    expect(await errorOf(grandchild.getSecret('A'))).toMatchObject(ended)
  })

  it('keeps `useSecret` from its second read', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const scope = secrets.scope({ allow: ['A'] })
    let runs = 0
    const use = async (): Promise<never> => {
      runs += 1
      await scope.revoke()
      throw Object.assign(new Error('refused'), { status: 401 })
    }
    expect(await errorOf(scope.useSecret('A', use))).toMatchObject(ended)
    expect(runs).toBe(1)
  })

  it('comes with `await using`', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    let kept: Scope<'A'>
    {
      await using scope = secrets.scope({ allow: ['A'] })
      kept = scope
      await kept.getSecret('A')
    }
    expect(await errorOf(kept.getSecret('A'))).toMatchObject(ended)
  })

  it('reaches views whose scope objects nobody holds any more', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const scope = secrets.scope({ allow: ['A'] })
    const { getSecret } = scope.scope({ allow: ['A'] }).scope({ allow: ['A'] })
    for (let round = 0; round < 3; round++) {
      ;(globalThis as { gc?: () => void }).gc?.()
      await turn()
    }
    await scope.revoke()
    expect(await errorOf(getSecret('A'))).toMatchObject(ended)
  })
})

describe('closing the root', () => {
  it('ends every view with `closed`, reads in flight too', async () => {
    const { backend, held } = createHolding()
    const secrets = createSecrets<string>({ provider: backend.provider })
    const scope = secrets.scope({ allow: ['A'] })
    const views = [secrets, scope, scope.scope({ allow: ['A'] })]
    const errors = views.flatMap((view) => [errorOf(view.getSecret('A')), errorOf(view.useSecret('A', () => 1)), errorOf(view.describeSecret('A'))])
    await turn()
    await secrets.close()
    for (const error of await Promise.all(errors)) expect(error).toMatchObject({ code: 'closed' })
    for (const view of views) {
      expect(await errorOf(view.getSecret('A'))).toMatchObject({ code: 'closed' })
      expect(await errorOf(() => view.scope({ allow: [] }))).toMatchObject({ code: 'closed' })
      expect(await errorOf(() => view.invalidate())).toMatchObject({ code: 'closed' })
    }
    expect(await errorOf(() => secrets.agent('a'))).toMatchObject({ code: 'closed' })
    for (const { release } of held) release()
  })
})
