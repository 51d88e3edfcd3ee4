import { createECDH, type ECDH } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { generator, isOnCurve, multiply, order, pointAt } from '../../providers/dotenv/curve.js'
import { decrypt, encrypt, isEncrypted, publicKeyOf } from '../../providers/dotenv/encryption.js'
import { dotenv, type DotenvOptions } from '../../providers/dotenv/index.js'
import { directory, useDirectory, write } from './directory.js'
import { context, createSetup, failureOf, read, withVariables } from './setup.js'

// What dotenvx 2.38.2 made of files for this test, its comments left out.
const files = {
  '.env': `DOTENV_PUBLIC_KEY="035d9e42fc62b8148ab4a809b0108cbd2fd1c0c3c937083dd05ae8dd6bfe73e8d5"

HELLO=encrypted:BFlERW6m4afCV9LUMBy8pu7nrGPFj9INCYxdm+AQmSlPsz2YpTdXXJyI1x9I7KGrgma6kR3MOtuH+y8N5Y4PMnO3BNpXMhS6N9Bw2hLVsM1n2iu4T15n1KxLnFK2/53/dfN70EAQDA==
MULTI="encrypted:BHSpYFYjRheJ6CawWidIGSo2oJJ3kTlHDH1NnQa2Wg95f2UQhQqXCvGXMEzTQlye1MlbEo8GGmqsIytnm57F+iPqa4WjydM2Gla2qipwDzgaDo51Z6nlRULak+47jDS03wyv7+UOUOEOOg=="
RAW='encrypted:BN/H1MaQGXQ96ec7lUvQq0mlWSFeTQZEEZf3cHal3qVQM4LLy4Om0DPTvT1jeC3/zf18tPzSAoF1UgHGPMeCIywarPbMy3WTafeQvn0pXgHyi/npAn5lyheg8HDMhiVbHz5bqVv6MQlE'
REFERS="encrypted:BNRC1/VbiEm7LNZEtQeaVeUp2S4prJ7A/LR+DEaZ0GwDtvNkt7LXTIaLValO28UzNtrGQIQHNeo7vPFaiRKgcSIoueYZwREVbXfMl6t4CXShnoSEGlXJ0NhZKCelz5ENHuihHykjuAH4"
PLAIN=as it is
`,
  '.env.production': `DOTENV_PUBLIC_KEY_PRODUCTION="03d9dcbb2e5e6b8b4a685dc18dfef637658ab2e4d1404024a7b83915e5a0ec9192"

HELLO=encrypted:BJQ09o0OyosiY9Pp1kEucXj+7xQzJm1r/IMLVrY4S34yNFPTLbMuWJ7mRhpoPBeCmQsY7EOh4MkgomAZFw5kVhHXv87XSosJ1m4YDXt2DL8q9vKlh9PtErX7RzJ+b/caXw1BaA6ieOzfGgg=
`,
  '.env.keys': `DOTENV_PRIVATE_KEY=2977e79b1c15e24f769360edc07e07af47c756e2bf38ce7a002d53adab005bb0

DOTENV_PRIVATE_KEY_PRODUCTION=cc1bfd756cec5d6f6e01c64d333ca1810136f1babb61f861787d15aec13d3d08
`,
}
const [key = '', productionKey = ''] = files['.env.keys'].match(/[0-9a-f]{64}/g) ?? []

useDirectory()

async function provide(options: DotenvOptions = {}, environment?: string) {
  const concealed: [string, string][] = []
  const setup = {
    ...createSetup({ directory, ...(environment === undefined ? {} : { environment }) }),
    conceal: (value: string, label: string) => void concealed.push([label, value]),
  }
  return { provider: await dotenv({ processEnv: 'never', ...options })(setup), concealed }
}

describe('values that dotenvx encrypted', () => {
  it('are read with the key of .env.keys beside the file, which is concealed', async () => {
    await write(files)
    const { provider, concealed } = await provide()
    expect(await Promise.all(['HELLO', 'MULTI', 'RAW', 'REFERS', 'PLAIN'].map((id) => read(provider, id)))).toEqual(['wörld', 'two\nlines', 'pa$HELLO', '<$HELLO>', 'as it is'])
    expect(concealed).toEqual([['DOTENV_PRIVATE_KEY', key]])
    const production = await provide({}, 'production')
    expect(await read(production.provider, 'HELLO')).toBe('production')
    expect(await read(production.provider, 'RAW')).toBe('pa$HELLO')
    expect(new Map(production.concealed)).toEqual(
      new Map([
        ['DOTENV_PRIVATE_KEY', key],
        ['DOTENV_PRIVATE_KEY_PRODUCTION', productionKey],
      ]),
    )
  })

  it('are expanded as dotenvx does it: after they were opened, and not in single quotes', async () => {
    await write(files)
    const { provider } = await provide({ expand: true })
    expect(await Promise.all(['RAW', 'REFERS'].map((id) => read(provider, id)))).toEqual(['pa$HELLO', '<wörld>'])
  })

  it('are read with the key of the environment, the right one of several', async () => {
    await write({ '.env': files['.env'], '.env.production': files['.env.production'] })
    const { provider } = await provide({}, 'production')
    await withVariables({ DOTENV_PRIVATE_KEY: `${productionKey}, ${key}`, DOTENV_PRIVATE_KEY_PRODUCTION: productionKey }, async () => {
      expect(await Promise.all(['HELLO', 'MULTI'].map((id) => read(provider, id)))).toEqual(['production', 'two\nlines'])
    })
    // The name of the key is the file's, where the file does not say which it is.
    await write({ '.env.ci': `HELLO=${/encrypted:\S+/.exec(files['.env'])?.[0]}` })
    const other = await provide({ files: ['.env.ci'] })
    await withVariables({ DOTENV_PRIVATE_KEY_CI: key }, async () => expect(await read(other.provider, 'HELLO')).toBe('wörld'))
  })

  it('are found by keys of the directory for files in another', async () => {
    await mkdir(join(directory, 'apps'))
    await write({ 'apps/.env': files['.env'], '.env.keys': files['.env.keys'] })
    expect(await read((await provide({ files: ['apps/.env'] })).provider, 'HELLO')).toBe('wörld')
  })

  it('fail one by one where no key opens them, and say which is wanted', async () => {
    await write({ '.env': files['.env'], '.env.production': files['.env.production'] })
    const { provider } = await provide({}, 'production')
    expect(await read(provider, 'PLAIN')).toBe('as it is')
    const missing = await failureOf(read(provider, 'HELLO'))
    expect(missing).toMatchObject({ code: 'invalid-config', reason: 'no-private-key' })
    expect(missing.message).toContain(
      'In dotenv file ".env.production" the variable HELLO is encrypted, and its key is not there: set DOTENV_PRIVATE_KEY_PRODUCTION in the environment or in a .env.keys',
    )
    await withVariables({ DOTENV_PRIVATE_KEY_PRODUCTION: key }, async () => {
      const wrong = await failureOf(read(provider, 'HELLO'))
      expect(wrong).toMatchObject({ code: 'invalid-config', reason: 'wrong-private-key' })
      expect(wrong.message).not.toContain(key)
    })
    await withVariables({ DOTENV_PRIVATE_KEY_PRODUCTION: 'no key' }, async () => expect(await failureOf(read(provider, 'HELLO'))).toMatchObject({ reason: 'wrong-private-key' }))
    await write({ '.env': 'HELLO=encrypted:abc' })
    expect(await failureOf(read((await provide()).provider, 'HELLO'))).toMatchObject({ code: 'invalid-value', reason: 'not-encrypted' })
  })

  it('are written encrypted, in a file that is', async () => {
    await write(files)
    const { provider } = await provide()
    const values = { HELLO: 'new', RAW: 'pa$HELLO`s "own"', PLAIN: `' " \` #\nand all`, NEW_ONE: 'x' }
    for (const [id, value] of Object.entries(values)) await provider.put?.({ id }, { value }, context)
    for (const [id, value] of Object.entries(values)) expect(await read(provider, id)).toBe(value)
    const text = await readFile(join(directory, '.env'), 'utf8')
    expect(text.match(/^(HELLO=encrypted:|RAW='encrypted:|PLAIN=encrypted:|NEW_ONE=encrypted:)/gm)).toHaveLength(4)
    expect(text).not.toContain('and all')
    // Without the key of the file it is encrypted by that which opens what stands there, and else not at all.
    const only = `HELLO=${/encrypted:\S+/.exec(files['.env'])?.[0]}\n`
    await write({ '.env': only })
    await provider.put?.({ id: 'HELLO' }, { value: 'newer' }, context)
    expect(await read(provider, 'HELLO')).toBe('newer')
    await write({ '.env': only, '.env.keys': '' })
    expect(await failureOf(provider.put?.({ id: 'HELLO' }, { value: 'never' }, context))).toMatchObject({ code: 'invalid-config', reason: 'no-public-key' })
    expect(await readFile(join(directory, '.env'), 'utf8')).toBe(only)
  })

  it('are what no plain value may look like', async () => {
    const { provider } = await provide()
    expect(await failureOf(provider.put?.({ id: 'A' }, { value: 'encrypted:x' }, context))).toMatchObject({ code: 'invalid-value', reason: 'encrypted' })
  })
})

describe('encryption', () => {
  it('is opened by its key and by no other', () => {
    const publicKey = publicKeyOf(key) ?? ''
    expect(files['.env']).toContain(publicKey)
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const value = encrypt(text, publicKey) ?? ''
        expect([isEncrypted(value), decrypt(value, key), decrypt(value, productionKey)]).toEqual([true, text, undefined])
      }),
      { numRuns: 50 },
    )
  })

  it('takes nothing for a key that is none', () => {
    for (const wrong of ['', 'x', '0'.repeat(64), 'f'.repeat(64), `${key}00`])
      expect([decrypt(encrypt('a', publicKeyOf(key) ?? '') ?? '', wrong), publicKeyOf(wrong)]).toEqual([undefined, undefined])
    for (const wrong of ['', '02', `02${'0'.repeat(64)}`, `05${'1'.repeat(64)}`]) expect(encrypt('a', wrong)).toBeUndefined()
  })

  it('multiplies as node:crypto does, where that has the curve', () => {
    const scalars = fc.oneof(fc.constantFrom(1n, 2n, 3n, order - 1n, order - 2n), fc.bigInt({ min: 1n, max: order - 1n }))
    fc.assert(
      fc.property(scalars, scalars, (one, two) => {
        const [left, right] = [one, two].map((scalar) => {
          const pair = createECDH('secp256k1')
          pair.setPrivateKey(scalar.toString(16).padStart(64, '0'), 'hex')
          return pair
        }) as [ECDH, ECDH]
        const point = multiply(one, generator)
        expect(`04${point.map((coordinate) => coordinate.toString(16).padStart(64, '0')).join('')}`).toBe(left.getPublicKey('hex'))
        expect([pointAt(point[0], (point[1] & 1n) === 1n), isOnCurve(point), isOnCurve([point[0], point[1] + 1n])]).toEqual([point, true, false])
        expect(multiply(two, point)[0].toString(16).padStart(64, '0')).toBe(left.computeSecret(right.getPublicKey('hex'), 'hex', 'hex'))
        expect(publicKeyOf(one.toString(16).padStart(64, '0'))).toBe(left.getPublicKey('hex', 'compressed'))
      }),
      { numRuns: 30 },
    )
  })

  it('notices what was changed', () => {
    const bytes = Buffer.from((encrypt('a secret', publicKeyOf(key) ?? '') ?? '').slice('encrypted:'.length), 'base64')
    for (const index of [0, 1, 64, 66, 82, 98, bytes.length - 1]) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8((changed[index] ?? 0) ^ 1, index)
      expect(decrypt(`encrypted:${changed.toString('base64')}`, key)).toBeUndefined()
    }
  })
})
