import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkName } from '../../src/access/name.js'
import { createSecrets } from '../../src/index.js'
import { createBackend, errorOf } from './backend.js'

const controls = [...Array.from({ length: 0x20 }, (_, code) => code), ...Array.from({ length: 0x21 }, (_, index) => 0x7f + index)]
const directions = [0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069]
const hidden = [...controls, ...directions, 0xd800, 0xdbff, 0xdc00, 0xdfff]

const refused: readonly (readonly [string, unknown])[] = [
  ['empty', ''],
  ['513 characters', 'x'.repeat(513)],
  ['513 units, of which half are surrogates', `${'\u{1f511}'.repeat(256)}x`],
  ['surrogates in the wrong order', 'a\udc00\ud800b'],
  ['a dot', '.'],
  ['two dots', '..'],
  ['a dot segment at the start', './a'],
  ['a dot segment in the middle', 'a/./b'],
  ['a dot segment at the end', 'a/.'],
  ['an upward segment at the start', '../a'],
  ['an upward segment in the middle', 'a/../b'],
  ['an upward segment at the end', 'a/..'],
  ['an upward segment between backslashes', 'a\\..\\b'],
  ['a dot segment after a backslash', 'a\\.'],
  ['an empty first segment', '/a'],
  ['an empty last segment', 'a/'],
  ['an empty segment between', 'a//b'],
  ['a slash alone', '/'],
  ['encoded dots', 'a/%2e%2e/b'],
  ['encoded dots in capitals', 'a/%2E%2E/b'],
  ['one encoded dot', 'a/%2e/b'],
  ['a dot and an encoded one', 'a/.%2e/b'],
  ['an encoded dot and a dot', 'a/%2e./b'],
  ['an encoded slash before dots', 'a%2f../b'],
  ['an encoded slash around encoded dots', 'a%2F%2e%2e%2Fb'],
  ['an encoded backslash around dots', 'a%5c..%5Cb'],
  ['an encoded empty segment', 'a%2f%2fb'],
  ['an encoded slash at the end', 'a%2f'],
  ['an encoded slash at the start', '%2Fa'],
  ['dots encoded twice', 'a/%252e%252e/b'],
  ['dots encoded three times', 'a/%25252E%25252e/b'],
  ['a slash encoded twice', 'a%252f..%252fb'],
  ['dots encoded to different depths', 'a/%2e%25252e/b'],
  ['dots encoded twenty times', `a/%${'25'.repeat(20)}2e./b`],
  ['a digit of the encoding itself encoded', 'a/%25%32%65%25%32%65/b'],
  ['an encoded percent that completes another', 'a/%2%35%32e./b'],
  ['undefined', undefined],
  ['null', null],
  ['a number', 1],
  ['a boolean', true],
  ['a big integer', 1n],
  ['a symbol', Symbol('A')],
  ['an array', ['A']],
  ['a String object', new String('A')],
  ['an object that turns into a string', { toString: () => 'A' }],
  ['a function', () => 'A'],
]

const accepted = [
  'A',
  'x'.repeat(512),
  '\u{1f511}'.repeat(256),
  'search/google',
  'a.b',
  '.env',
  'a..b',
  '...',
  'a/.../b',
  '..a',
  'a/..b/c',
  '.a/b.',
  'a b',
  'schlüssel',
  '密钥',
  'a:b',
  'a?b#c',
  'a*',
  '*',
  'a*b',
  '100%',
  '%',
  'a%20b',
  '%2',
  'a%2fb',
  '%2e%2ea',
  '__proto__',
  'constructor',
  'toString',
  '"quoted"',
  'a\\b',
  '\u200b',
  '\u{e0001}',
]

describe('a name', () => {
  it.each(refused)('is refused: %s', async (_what, name) => {
    expect(await errorOf(() => checkName(name))).toMatchObject({ code: 'invalid-config' })
  })

  it.each(hidden.map((code) => [code.toString(16).padStart(4, '0'), String.fromCharCode(code)]))('is refused with U+%s, wherever it stands', async (_code, character) => {
    for (const name of [character, `${character}a`, `a${character}b`, `a${character}`]) expect(await errorOf(() => checkName(name))).toMatchObject({ code: 'invalid-config' })
  })

  it.each(accepted.map((name) => [name]))('is taken as it is: %j', (name) => {
    expect(checkName(name)).toBe(name)
  })

  it('is not quoted when it is refused', async () => {
    const { message } = await errorOf(() => checkName('forged\nline'))
    expect(message).not.toContain('forged')
    expect(message).toContain('name')
  })

  it('says which option holds it', async () => {
    expect((await errorOf(() => checkName('', 'secrets["A"]'))).message).toContain('secrets["A"]')
  })

  it('that is taken has no segment that a path would resolve, however often it is decoded', () => {
    const part = fc.constantFrom('a', '.', '..', '/', '\\', '%2e', '%2F', '%5c', '%25', '25', '2e', '2f', '%', '%32', '%65')
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 12 }), (parts) => {
        const name = parts.join('')
        try {
          checkName(name)
        } catch {
          return
        }
        for (let text = name, times = 0; times < 12; times++) {
          expect(text.split(/[/\\]/).filter((segment) => segment === '.' || segment === '..')).toEqual([])
          expect(text.split('/')).not.toContain('')
          try {
            text = decodeURIComponent(text)
          } catch {
            return
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a read', () => {
  it.each(refused)('of a refused name ends without a call: %s', async (_what, name) => {
    const { provider, requests } = createBackend()
    const secrets = createSecrets<string>({ provider })
    const scope = secrets.scope({ allow: ['*'] })
    for (const view of [secrets, scope]) {
      expect(await errorOf(view.getSecret(name as string))).toMatchObject({ code: 'invalid-config' })
      expect(await errorOf(view.describeSecret(name as string))).toMatchObject({ code: 'invalid-config' })
      expect(await errorOf(view.useSecret(name as string, () => 1))).toMatchObject({ code: 'invalid-config' })
      expect(await errorOf(view.getSecrets([name as string]))).toMatchObject({ code: 'invalid-config' })
      if (name !== undefined) expect(await errorOf(() => view.invalidate(name as string))).toMatchObject({ code: 'invalid-config' })
    }
    expect(requests).toEqual([])
  })

  it('of a name that is no string asks it nothing', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    let asked = 0
    const hostile = { toString: () => String(++asked), [Symbol.toPrimitive]: () => String(++asked), valueOf: () => ++asked }
    await errorOf(secrets.getSecret(hostile as unknown as string))
    await errorOf(secrets.getSecrets([hostile as unknown as string]))
    expect(asked).toBe(0)
  })

  it('of many names says which of them is no string', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const hostile = {
      toString: () => {
        throw new Error('asked')
      },
    }
    // Such a name could be no key of the outcomes either.
    const error = await errorOf(secrets.getSecrets(['A', hostile as unknown as string], { partial: true }))
    expect(error).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('names[1]') })
  })

  it.each(accepted.map((name) => [name]))('passes the name on unparsed: %j', async (name) => {
    const { provider, ids } = createBackend()
    expect(await createSecrets<string>({ provider }).getSecret(name)).toBe(`value of ${name}`)
    expect(ids()).toEqual([name])
  })

  it('never takes a name for a reference', async () => {
    const [main, shared] = [createBackend(), createBackend(undefined, { name: 'inner' })]
    const secrets = createSecrets<string>({ provider: main.provider, providers: { shared: shared.provider } })
    for (const name of ['shared:x', 'x?version=1', 'x#field', 'x?stage=y#z']) expect(await secrets.getSecret(name)).toBe(`value of ${name}`)
    expect(shared.requests).toEqual([])
  })
})
