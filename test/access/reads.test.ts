import { describe, expect, it } from 'vitest'
import { createSecrets } from '../../src/index.js'
import { createBackend, errorOf } from './backend.js'

const usedUp = { code: 'denied', deniedBy: 'scope', reason: 'reads-used-up' }
const rejected = (): never => {
  throw Object.assign(new Error('refused'), { status: 401 })
}

describe('maxReads', () => {
  const read: readonly (readonly [string, number, (view: ReturnType<typeof createView>) => Promise<unknown>])[] = [
    ['a read', 1, (view) => view.getSecret('A')],
    ['a read with options', 1, (view) => view.getSecret('A', { as: 'json' }).catch(() => 0)],
    ['two at once', 2, (view) => Promise.all([view.getSecret('A'), view.getSecret('A')])],
    ['two of an alias', 2, (view) => Promise.all([view.getSecret('A'), view.getSecret('alias')])],
    ['a hit', 2, async (view) => [await view.getSecret('A'), await view.getSecret('A')]],
    ['a fresh read', 1, (view) => view.getSecret('A', { fresh: true })],
    ['a read that finds nothing', 1, (view) => view.getSecret('none').catch(() => 0)],
    ['a default', 1, (view) => view.getSecret('none', { default: 1 })],
    ['a field that is not there', 1, (view) => view.getSecret('A', { field: 'x' }).catch(() => 0)],
    ['useSecret', 1, (view) => view.useSecret('A', () => 1)],
    ['useSecret that reads twice', 2, (view) => view.useSecret('A', rejected).catch(() => 0)],
    ['describeSecret', 1, (view) => view.describeSecret('A')],
    ['getSecrets of three', 3, (view) => view.getSecrets(['A', 'B', 'C'])],
    ['getSecrets of one name twice', 1, (view) => view.getSecrets(['A', 'A'])],
    ['getSecrets of aliases', 2, (view) => view.getSecrets(['A', 'alias'])],
    ['a malformed name', 0, (view) => view.getSecret('').catch(() => 0)],
    ['a name that is not granted', 0, (view) => view.getSecret('z').catch(() => 0)],
    ['a location that is denied', 0, (view) => view.getSecret('secret').catch(() => 0)],
    ['what is pinned', 0, (view) => view.getSecret('pinned', { field: 'b' }).catch(() => 0)],
    ['a version', 0, (view) => view.getSecret('A', { version: '2' }).catch(() => 0)],
    ['an option that is none', 0, (view) => view.getSecret('A', { maxAge: 5 as never }).catch(() => 0)],
    ['an abort before', 0, (view) => view.getSecret('A', { signal: AbortSignal.abort() }).catch(() => 0)],
    ['invalidate', 0, async (view) => view.invalidate('A')],
    ['a narrower scope', 0, async (view) => view.scope({ allow: ['A'] })],
  ]
  function createView(maxReads: number) {
    const { provider } = createBackend({ A: '1', B: '2', C: '3', doc: '{"a":"1"}' })
    const secrets = createSecrets<string>({ provider, references: { alias: 'A', A: 'A', pinned: 'doc#a', secret: 'S', S: 'S' } })
    return secrets.scope({ allow: ['A', 'B', 'C', 'alias', 'none', 'secret', 'pinned'], deny: ['S'], maxReads }) as ReturnType<typeof secrets.scope<string>>
  }

  it.each(read)('counts %s as %i', async (_what, count, run) => {
    const view = createView(10)
    await run(view)
    for (let left = 10 - count; left > 0; left--) expect(await view.getSecret('A'), `${left} left`).toBe('1')
    expect(await errorOf(view.getSecret('A'))).toMatchObject(usedUp)
  })

  it('of 0 grants nothing', async () => {
    expect(await errorOf(createView(0).getSecret('A'))).toMatchObject(usedUp)
  })

  it('is taken along the whole chain', async () => {
    const parent = createView(3)
    const [left, right] = [parent.scope({ allow: ['A'], maxReads: 2 }), parent.scope({ allow: ['A'] }).scope({ allow: ['A'] })]
    await left.getSecret('A')
    await right.getSecret('A')
    await left.getSecret('A')
    for (const view of [parent, left, right, parent.scope({ allow: ['A'], maxReads: 100 })]) expect(await errorOf(view.getSecret('A'))).toMatchObject(usedUp)
  })

  it('of a child takes nothing more of its parent when it is used up itself', async () => {
    const parent = createView(2)
    const child = parent.scope({ allow: ['A'], maxReads: 1 })
    await child.getSecret('A')
    for (let times = 0; times < 5; times++) expect(await errorOf(child.getSecret('A'))).toMatchObject(usedUp)
    expect(await parent.getSecret('A')).toBe('1')
    expect(await errorOf(parent.getSecret('A'))).toMatchObject(usedUp)
  })

  it('is not passed by reads at once', async () => {
    const { provider, requests } = createBackend()
    const scope = createSecrets<string>({ provider }).scope({ allow: ['*'], maxReads: 3 })
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => scope.getSecret(`A${index % 7}`)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(requests).toHaveLength(3)
  })

  it('ends `getSecrets` where it does not suffice, with an outcome for each', async () => {
    const outcomes = await createView(2).getSecrets(['A', 'B', 'C'], { partial: true })
    expect(outcomes).toMatchObject({ A: { ok: true }, B: { ok: true }, C: { ok: false, error: usedUp } })
  })

  it('keeps `useSecret` from a second read that is not there, and says so', async () => {
    expect(await errorOf(createView(1).useSecret('A', rejected))).toMatchObject(usedUp)
  })

  it('counts where the root makes its provider at the first read', async () => {
    const { provider } = createBackend()
    const scope = createSecrets<string>({ provider: async () => provider }).scope({ allow: ['*'], maxReads: 2 })
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => scope.getSecret('A')))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
  })
})
