import { describe, expect, it } from 'vitest'
import { checkGrant } from '../../src/access/grant.js'
import { checkPattern, NameSet } from '../../src/access/name.js'
import { createSecrets, type Grant } from '../../src/index.js'
import { createBackend, errorOf } from './backend.js'

describe('a pattern', () => {
  it.each(['A', '*', 'a*', 'search/*', 'a/b*', `${'x'.repeat(511)}*`, '.*', '..*', 'a/.*', 'vault://*'.replace('//', '/'), '密*'].map((pattern) => [pattern]))(
    'is taken: %j',
    (pattern) => {
      expect(checkPattern(pattern, 'allow')).toBe(pattern)
    },
  )

  it.each([
    ['*a'],
    ['a*b'],
    ['**'],
    ['a**'],
    ['*/*'],
    ['a/*/b'],
    [''],
    ['/*'],
    ['a//*'],
    ['../*'],
    ['a/../*'],
    ['a/%2e%2e/*'],
    ['a/%252e%252e/*'],
    ['a%2f%2f*'],
    ['a\n*'],
    ['\u202ea*'],
    ['\ud800*'],
    [`${'x'.repeat(512)}*`],
    ['x'.repeat(513)],
    ['.'],
    ['..'],
    [undefined],
    [null],
    [1],
    [['a']],
    [new String('a')],
    [{ toString: () => '*' }],
  ])('is refused: %j', async (pattern) => {
    expect(await errorOf(() => checkPattern(pattern, 'allow[0]'))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('allow[0]') as string })
  })

  it('grants what begins with its prefix, and a name itself alone', () => {
    const set = new NameSet(['A', 'search/*', 'x*'])
    for (const name of ['A', 'search/google', 'search/a/b', 'x', 'xy']) expect(set.has(name), `of ${name}`).toBe(true)
    for (const name of ['a', 'AB', 'search', 'Search/a', 'y', 'search\\a', 'ax']) expect(set.has(name), `of ${name}`).toBe(false)
  })

  it('of all is "*" alone', () => {
    expect(new NameSet(['*']).has('anything/at/all')).toBe(true)
    expect(new NameSet([]).has('A')).toBe(false)
  })
})

describe('a grant', () => {
  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['nothing', undefined, 'grant'],
    ['null', null, 'grant'],
    ['a list', [], 'grant'],
    ['a string', 'A', 'grant'],
    ['no allow', {}, 'allow'],
    ['allow as a string', { allow: '*' }, 'allow'],
    ['allow as a set', { allow: new Set(['A']) }, 'allow'],
    ['allow like a list', { allow: { 0: 'A', length: 1 } }, 'allow'],
    ['an allow that is no string', { allow: ['A', 1] }, 'allow[1]'],
    ['a String object in allow', { allow: [new String('A')] }, 'allow[0]'],
    ['a hole in allow', { allow: Object.assign(Array<string>(2), { 1: 'A' }) }, 'allow[0]'],
    ['a misspelt key', { allow: [], denny: ['A'] }, 'did you mean "deny"'],
    ['a misspelt key on a prototype', Object.create({ alow: ['A'], allow: [] }), 'did you mean "allow"'],
    ['deny as a string', { allow: [], deny: 'A' }, 'deny'],
    ['a deny with a star inside', { allow: [], deny: ['a*b'] }, 'deny[0]'],
    ['versions as a string', { allow: [], versions: 'true' }, 'versions'],
    ['versions as null', { allow: [], versions: null }, 'versions'],
    ['a bare number of time', { allow: [], expiresIn: 300 }, 'expiresIn'],
    ['no unit', { allow: [], expiresIn: '300' }, 'expiresIn'],
    ['a negative time', { allow: [], expiresIn: '-5m' }, 'expiresIn'],
    ['an endless time', { allow: [], expiresIn: '999999d' }, 'expiresIn'],
    ['a fraction of reads', { allow: [], maxReads: 1.5 }, 'maxReads'],
    ['negative reads', { allow: [], maxReads: -1 }, 'maxReads'],
    ['endless reads', { allow: [], maxReads: Infinity }, 'maxReads'],
    ['reads as text', { allow: [], maxReads: '3' }, 'maxReads'],
    ['no number of reads', { allow: [], maxReads: Number.NaN }, 'maxReads'],
    ['an enforcement that is none', { allow: [], enforcement: 'process' }, 'enforcement'],
    ['an empty agent', { allow: [], agent: '' }, 'agent'],
    ['an agent that is no string', { allow: [], agent: 1 }, 'agent'],
    ['an agent with a line feed', { allow: [], agent: 'a\nb' }, 'agent'],
    ['a tool that turns text', { allow: [], tool: 'a\u202eb' }, 'tool'],
    ['a tool with a mark that turns text', { allow: [], tool: 'a\u200fb' }, 'tool'],
    ['labels as a list', { allow: [], labels: ['a'] }, 'labels'],
    ['a label that is no string', { allow: [], labels: { run: 1 } }, 'labels'],
    ['a label with a control', { allow: [], labels: { run: 'a\u0000' } }, 'labels'],
    ['a key of a label with a control', { allow: [], labels: { 'a\nb': 'x' } }, 'labels'],
  ]

  it.each(wrong)('is refused: %s', async (_what, grant, said) => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const error = await errorOf(() => secrets.scope(grant as Grant))
    expect(error.code).toBe('invalid-config')
    expect(error.message).toContain(said)
  })

  it('is copied: what its maker does to it later changes nothing', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const allow = ['A']
    const deny: string[] = ['X']
    const labels: Record<string, string> = { run: '1' }
    const grant: { allow: string[]; deny: string[]; labels: Record<string, string>; versions?: boolean; maxReads: number } = { allow, deny, labels, maxReads: 100 }
    const scope = secrets.scope(grant)
    allow.push('B', '*')
    deny.length = 0
    grant.allow = ['*']
    grant.versions = true
    labels['run'] = '2'
    expect(await errorOf(scope.getSecret('B'))).toMatchObject({ code: 'denied' })
    expect(await errorOf(scope.getSecret('X'))).toMatchObject({ code: 'denied' })
    expect(await errorOf(scope.getSecret('A', { version: '1' }))).toMatchObject({ code: 'denied', reason: 'versions' })
  })

  it('is read once: a getter cannot say one thing at the check and another later', () => {
    const asked: Record<string, number> = {}
    const answers: Record<string, readonly unknown[]> = {
      allow: [['A'], ['*']],
      deny: [['B'], []],
      versions: [false, true],
      maxReads: [1, 1_000],
      expiresIn: ['1s', '100d'],
      agent: ['a', 'b'],
    }
    const grant: object = {}
    for (const [key, [first, later]] of Object.entries(answers)) {
      Object.defineProperty(grant, key, {
        enumerable: true,
        get: () => {
          asked[key] = (asked[key] ?? 0) + 1
          return asked[key] === 1 ? first : later
        },
      })
    }
    const checked = checkGrant(grant)
    expect([checked.allow.has('A'), checked.allow.has('Z'), checked.deny?.has('B')]).toEqual([true, false, true])
    expect(checked).toMatchObject({ versions: false, maxReads: 1, expiresIn: 1_000, agent: 'a' })
    expect(Object.values(asked).every((times) => times === 1)).toBe(true)
  })
})
