import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSecrets, isSecretError, type ReadOptions } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createBackend, errorOf, type Backend } from './backend.js'

const supports = { version: true, stage: true } as const
const json = JSON.stringify({ a: '1', b: '2' })
const createStore = (references: Readonly<Record<string, string>>, parts: Partial<SecretProvider> = {}): Backend & { secrets: ReturnType<typeof createSecrets<string>> } => {
  const backend = createBackend({ doc: json, A: json }, { supports, ...parts })
  return { ...backend, secrets: createSecrets<string>({ provider: backend.provider, references }) }
}

describe('what a reference pins', () => {
  it.each<[string, string, ReadOptions]>([
    ['a version, by another version', 'doc?version=2', { version: '3' }],
    ['a version, by a stage', 'doc?version=2', { stage: 'AWSPREVIOUS' }],
    ['a version, by the same version and a stage', 'doc?version=2', { version: '2', stage: 'AWSPREVIOUS' }],
    ['a stage, by another stage', 'doc?stage=AWSCURRENT', { stage: 'AWSPREVIOUS' }],
    ['a stage, by a version', 'doc?stage=AWSCURRENT', { version: '3' }],
    ['both, by one of them', 'doc?version=2&stage=AWSCURRENT', { version: '2', stage: 'AWSPREVIOUS' }],
    ['a field, by another field', 'doc#a', { field: 'b' }],
    ['a field, by a field in other case', 'doc#a', { field: 'A' }],
  ])('no option changes: %s', async (_what, reference, options) => {
    const { secrets, requests } = createStore({ A: reference })
    const views = [secrets, secrets.scope({ allow: ['A'] }), secrets.scope({ allow: ['A'], versions: true })]
    for (const view of views) {
      for (const kind of [{}, { fresh: true }, { as: 'json' }, { default: 'x' }, { maxAge: '1s' }] as const) {
        expect(await errorOf(view.getSecret('A', { ...options, ...kind }))).toMatchObject({ code: 'denied', deniedBy: 'scope', reason: 'pinned' })
      }
      expect(await errorOf(view.useSecret('A', () => 1, options))).toMatchObject({ code: 'denied', reason: 'pinned' })
      const { field, ...describable } = options
      if (field === undefined) expect(await errorOf(view.describeSecret('A', describable))).toMatchObject({ code: 'denied', reason: 'pinned' })
    }
    expect(requests).toEqual([])
  })

  it.each<[string, string, ReadOptions]>([
    ['a version', 'doc?version=2', { version: '2' }],
    ['a stage', 'doc?stage=AWSCURRENT', { stage: 'AWSCURRENT' }],
    ['both', 'doc?version=2&stage=AWSCURRENT', { version: '2', stage: 'AWSCURRENT' }],
    ['one of both', 'doc?version=2&stage=AWSCURRENT', { stage: 'AWSCURRENT' }],
    ['a field', 'doc#a', { field: 'a' }],
  ])('is not changed by the same value: %s', async (_what, reference, options) => {
    const { secrets, requests } = createStore({ A: reference })
    const plain = await secrets.getSecret('A')
    for (const view of [secrets, secrets.scope({ allow: ['A'] })]) expect(await view.getSecret('A', options)).toBe(plain)
    expect(requests).toHaveLength(1)
  })

  it('may be a version while the field is free, and the other way round', async () => {
    const { secrets } = createStore({ A: 'doc?version=2', B: 'doc#a' })
    const scope = secrets.scope({ allow: ['A', 'B'], versions: true })
    expect(await scope.getSecret('A', { field: 'b' })).toBe('2')
    expect(await scope.getSecret('B', { version: '7' })).toBe('1')
  })

  it('holds for patterns too', async () => {
    const { secrets, requests } = createStore({ 'a*': 'doc?version=2#*' })
    expect(await errorOf(secrets.getSecret('ab', { version: '1' }))).toMatchObject({ reason: 'pinned' })
    expect(await errorOf(secrets.getSecret('ab', { field: 'a' }))).toMatchObject({ reason: 'pinned' })
    expect(requests).toEqual([])
    expect(await secrets.getSecret('ab', { field: 'b', version: '2' })).toBe('2')
  })

  it('holds where `locate` says it, and the same value is no change there either', async () => {
    const { secrets, requests } = createStore({}, { locate: () => ({ id: 'doc', version: '2', field: 'a' }) })
    for (const view of [secrets, secrets.scope({ allow: ['A'] })]) {
      expect(await errorOf(view.getSecret('A', { field: 'b' }))).toMatchObject({ reason: 'pinned' })
      expect(await errorOf(view.getSecret('A', { version: '1' }))).toMatchObject({ reason: 'pinned' })
    }
    expect(requests).toEqual([])
    expect(await secrets.getSecret('A', { version: '2', field: 'a' })).toBe('1')
    expect(await secrets.scope({ allow: ['A'] }).getSecret('A', { version: '2', field: 'a' })).toBe('1')
  })

  it('reaches the backend, whatever options are given', async () => {
    const part = fc.option(fc.constantFrom('1', '2', 'x'), { nil: undefined })
    await fc.assert(
      fc.asyncProperty(
        part,
        part,
        fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
        part,
        part,
        fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
        async (version, stage, field, wantedVersion, wantedStage, wantedField) => {
          const pins = [version === undefined ? '' : `version=${version}`, stage === undefined ? '' : `stage=${stage}`].filter((pin) => pin !== '').join('&')
          const { secrets, requests } = createStore({ A: `doc${pins === '' ? '' : `?${pins}`}${field === undefined ? '' : `#${field}`}` })
          const options: ReadOptions = {
            ...(wantedVersion === undefined ? {} : { version: wantedVersion }),
            ...(wantedStage === undefined ? {} : { stage: wantedStage }),
            ...(wantedField === undefined ? {} : { field: wantedField }),
          }
          const value = await secrets.getSecret('A', options).catch(() => undefined)
          if (version !== undefined || stage !== undefined) {
            for (const request of requests) expect([request.version, request.stage]).toEqual([version, stage])
          }
          if (field !== undefined && value !== undefined) expect(value).toBe(field === 'a' ? '1' : '2')
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('a version or stage that a reader chooses', () => {
  it('needs `versions` of each grant of the chain', async () => {
    const { secrets, requests } = createStore({})
    const allow = ['A']
    const refused = [
      secrets.scope({ allow }),
      secrets.scope({ allow, versions: false }),
      secrets.scope({ allow }).scope({ allow, versions: true }),
      secrets.scope({ allow, versions: true }).scope({ allow }),
      secrets.scope({ allow, versions: true }).scope({ allow, versions: false }).scope({ allow, versions: true }),
    ]
    for (const view of refused) {
      for (const options of [{ version: '2' }, { stage: 's' }, { version: '2', stage: 's' }] as readonly ReadOptions[]) {
        expect(await errorOf(view.getSecret('A', options))).toMatchObject({ code: 'denied', deniedBy: 'scope', reason: 'versions' })
        expect(await errorOf(view.describeSecret('A', options))).toMatchObject({ code: 'denied', reason: 'versions' })
        expect(await errorOf(view.useSecret('A', () => 1, options))).toMatchObject({ code: 'denied', reason: 'versions' })
      }
    }
    expect(requests).toEqual([])
    for (const view of [secrets, secrets.scope({ allow, versions: true }), secrets.scope({ allow, versions: true }).scope({ allow, versions: true })])
      expect(await view.getSecret('A', { version: '2' })).toBe(json)
    expect(requests).toEqual([{ id: 'A', version: '2' }])
  })

  it('is unsupported without a call where the provider has none, but access decides first', async () => {
    const { secrets, requests } = createStore({}, { supports: { version: true } })
    expect(await errorOf(secrets.getSecret('A', { stage: 's' }))).toMatchObject({ code: 'unsupported', reason: 'stage' })
    expect(await errorOf(secrets.describeSecret('A', { stage: 's' }))).toMatchObject({ code: 'unsupported', reason: 'stage' })
    expect(await errorOf(secrets.scope({ allow: ['A'] }).getSecret('A', { stage: 's' }))).toMatchObject({ code: 'denied', reason: 'versions' })
    expect(await errorOf(secrets.scope({ allow: ['B'] }).getSecret('A' as never, { stage: 's' }))).toMatchObject({ code: 'denied', reason: 'not-granted' })
    expect(requests).toEqual([])
  })

  it('is another entry than the current one, and each other', async () => {
    const { secrets, requests } = createStore({})
    for (const options of [undefined, { version: '1' }, { version: '2' }, { stage: '1' }, { version: '1', stage: '1' }, { version: '2', stage: '1' }] as const) {
      await secrets.getSecret('A', options)
      await secrets.getSecret('A', options)
    }
    expect(requests).toHaveLength(6)
  })

  it('is never answered from the entry of another, whatever characters it has', async () => {
    const seen: string[] = []
    const get: SecretProvider['get'] = async ({ version, stage }) => {
      seen.push(JSON.stringify([version, stage]))
      return { value: JSON.stringify([version ?? null, stage ?? null]) }
    }
    const secrets = createSecrets<string>({ provider: { name: 'own', supports, get, failure: () => undefined } })
    const part = fc.option(fc.string({ unit: fc.constantFrom('a', '\n', ' ', '1'), minLength: 1, maxLength: 3 }), { nil: undefined })
    await fc.assert(
      fc.asyncProperty(part, part, async (version, stage) => {
        const options = { ...(version === undefined ? {} : { version }), ...(stage === undefined ? {} : { stage }) }
        const answer = await secrets.getSecret('A', options).catch(() => undefined)
        if (answer !== undefined) expect(answer).toBe(JSON.stringify([version ?? null, stage ?? null]))
      }),
      { numRuns: 500 },
    )
  })

  it.each(['version', 'stage', 'field'] as const)('lets the read end where %s is half of a surrogate pair', async (key) => {
    for (const parts of [{ supports }, {}]) {
      for (const audit of [[], [() => {}]]) {
        const { provider } = createBackend({ A: json }, parts)
        const secrets = createSecrets<string>({ provider, audit })
        const late = new Promise<string>((resolve) => setTimeout(() => resolve('never ended'), 100))
        const options: ReadOptions = { [key]: '\ud800' }
        const read = secrets.scope({ allow: ['A'], versions: true }).getSecret('A', options)
        const ended = read.then(
          () => 'ended',
          (error: unknown) => (isSecretError(error) ? 'ended' : 'ended with an error that is not ours'),
        )
        expect(await Promise.race([ended, late])).toBe('ended')
      }
    }
  })
})
