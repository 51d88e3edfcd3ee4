/** Reading, listing and writing secrets of Key Vault, with the real SDK over TLS. */
import { readFile } from 'node:fs/promises'
import type { SecretProperties } from '@azure/keyvault-secrets'
import { describe, expect, it } from 'vitest'
import type { VaultClient } from '../../../providers/azure/client.js'
import { azure, versions } from '../../../providers/azure/index.js'
import { describeSecret } from '../../../providers/azure/read.js'
import { systemClock } from '../../../src/clock.js'
import { collectUntil } from '../../access/collect.js'
import { context, make } from '../setup.js'
import { startVault, useVault } from './setup.js'

const here = useVault()
const { kept, open } = here
const put = (name: string, value: string, more: Parameters<ReturnType<typeof here.started.vault.secrets.make>['put']>[1] = {}): string => {
  const { secrets } = here.started.vault
  return (secrets.find(name) ?? secrets.make(name)).put(value, more).version
}
const requests = (): readonly string[] => here.started.vault.seen.map(({ method, path }) => `${method} ${path.split('?')[0]}`)

describe('a secret', () => {
  it('is text or bytes, with its version, its type and its dates', async () => {
    const version = put('text', 'value of text', { contentType: 'text/plain', attributes: { exp: Math.floor(Date.now() / 1_000) + 3_600 } })
    const secrets = open()
    expect(await secrets.getSecret('text')).toBe('value of text')
    expect(await secrets.describeSecret('text')).toMatchObject({ version, createdAt: expect.any(Date) as Date, expiresAt: expect.any(Date) as Date })
    await secrets.putSecret('bytes', Uint8Array.from([0, 255, 7]))
    expect(here.started.vault.secrets.find('bytes')?.versions[0]).toMatchObject({ value: 'AP8H', contentType: 'application/octet-stream;base64' })
    expect(await secrets.getSecret('bytes', { as: 'bytes' })).toEqual(Uint8Array.from([0, 255, 7]))
    // Of a certificate the service hands out base64 as text.
    put('certificate', 'AP8H', { contentType: 'application/x-pkcs12' })
    expect(await secrets.getSecret('certificate')).toBe('AP8H')
  })

  it('is read by a version, and by no other', async () => {
    const first = put('versioned', 'first')
    put('versioned', 'second')
    const secrets = open({}, { references: { PINNED: `versioned?version=${first}` } })
    expect(await secrets.getSecret('versioned')).toBe('second')
    expect(await secrets.getSecret('versioned', { version: first })).toBe('first')
    expect(await secrets.getSecret('PINNED')).toBe('first')
    for (const version of ['0'.repeat(32), 'short', '../other']) await expect(secrets.getSecret('versioned', { version })).rejects.toMatchObject({ code: 'not-found' })
    await expect(secrets.getSecret('versioned', { stage: 'current' })).rejects.toMatchObject({ code: 'unsupported' })
  })

  it('is found by a name with other marks, and by ids without case', async () => {
    put('search-google-key', 'found')
    const secrets = open({}, { references: { UPPER: 'SEARCH-GOOGLE-KEY', LOWER: 'search-google-key' }, cache: {} })
    expect(await secrets.getSecret('search/google_key')).toBe('found')
    const before = here.started.vault.seen.length
    expect(await secrets.getSecrets(['UPPER', 'LOWER'])).toEqual({ UPPER: 'found', LOWER: 'found' })
    expect(here.started.vault.seen.length).toBe(before)
    await expect(secrets.scope({ allow: ['*'], deny: ['LOWER'] }).getSecret('UPPER')).rejects.toMatchObject({ code: 'denied', deniedBy: 'scope' })
  })

  it('whose name cannot be one is refused before anything is sent', async () => {
    const secrets = open({}, { references: { DOTTED: 'a.b', LONG: 'x'.repeat(128), SLASHED: 'a/b' } })
    const before = here.started.vault.seen.length
    for (const name of ['a b', 'ä', 'a.b', 'x'.repeat(128), 'DOTTED', 'LONG', 'SLASHED']) {
      await expect(secrets.getSecret(name)).rejects.toMatchObject({ code: 'unsupported', reason: 'name' })
      await expect(secrets.putSecret(name, 'x')).rejects.toMatchObject({ code: 'unsupported' })
    }
    expect(here.started.vault.seen.length).toBe(before)
    put('x'.repeat(127), 'longest')
    expect(await secrets.getSecret('x'.repeat(127))).toBe('longest')
  })

  it('that is not there, disabled, over, not yet begun or deleted is not found, and told why', async () => {
    const now = Math.floor(Date.now() / 1_000)
    put('disabled', 'x', { attributes: { enabled: false } })
    put('over', 'x', { attributes: { exp: now - 60 } })
    put('later', 'x', { attributes: { nbf: now + 600 } })
    put('gone', 'x')
    const secrets = open()
    await secrets.deleteSecret('gone')
    for (const [name, expected] of Object.entries({
      absent: { reason: undefined },
      disabled: { reason: 'disabled' },
      over: { reason: 'expired', at: new Date((now - 60) * 1_000) },
      later: { reason: 'not-yet-valid', at: new Date((now + 600) * 1_000) },
      gone: { reason: 'deleted', at: expect.any(Date) as Date },
    })) {
      await expect(secrets.getSecret(name)).rejects.toMatchObject({ name: 'SecretNotFoundError', code: 'not-found', ...expected })
      await expect(secrets.describeSecret(name)).rejects.toMatchObject({ code: 'not-found', ...expected })
    }
  })

  it('that the identity may not read is denied, with the name of why', async () => {
    put('other', 'x')
    here.started.vault.grant(here.started.app.clientId, { get: ['text'] })
    try {
      const secrets = open()
      await expect(secrets.getSecret('other')).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend', reason: 'ForbiddenByRbac', requestId: expect.any(String) as string })
      await expect(secrets.putSecret('other', 'x')).rejects.toMatchObject({ code: 'denied' })
      expect(await secrets.check()).toMatchObject({ azure: { ok: true } })
    } finally {
      here.started.vault.grant(here.started.app.clientId, { get: true, list: true, set: true, delete: true, recover: true, purge: true })
    }
  })
})

describe('a list', () => {
  it('is of every page, and of what begins so', async () => {
    for (let number = 0; number < 60; number += 1) put(`listed-${number}`, 'x')
    put('other-listed', 'x')
    const secrets = open()
    const found: string[] = []
    for await (const { name } of secrets.listSecrets({ prefix: 'listed-' })) found.push(name)
    expect(found.toSorted()).toEqual(Array.from({ length: 60 }, (_, number) => `listed-${number}`).toSorted())
  })

  it('is asked for page by page, as far as it is read, and never for a value', async () => {
    here.started.vault.secrets.clear()
    for (let number = 0; number < 60; number += 1) put(`paged-${number}`, 'x')
    const secrets = open()
    const pages = (from: number): readonly string[] => here.started.vault.seen.slice(from).flatMap(({ path, isAuthenticated }) => (isAuthenticated ? [path.split('?')[0]!] : []))
    let before = here.started.vault.seen.length
    for await (const { name } of secrets.listSecrets()) if (name === 'paged-3') break
    expect(pages(before)).toEqual(['/secrets'])
    before = here.started.vault.seen.length
    const found: object[] = []
    for await (const one of secrets.listSecrets()) found.push(one)
    expect(found).toHaveLength(60)
    expect(pages(before)).toEqual(['/secrets', '/secrets', '/secrets'])
    expect(JSON.stringify(found)).not.toContain('"value"')
  })

  it('whose next page is somewhere else is not followed', async () => {
    const elsewhere = await startVault()
    try {
      here.started.vault.spoil(
        (_, response) =>
          void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ value: [], nextLink: `${elsewhere.vault.address}/secrets?api-version=7.6` })),
      )
      await expect(open().listSecrets()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'unavailable' })
      expect(elsewhere.vault.seen).toEqual([])
    } finally {
      await elsewhere.stop()
    }
  })
})

describe('a write', () => {
  it('is a new version, with its type, its end and the tags of the app', async () => {
    const secrets = open({ tags: { app: 'agents' } })
    const expiresAt = new Date(Math.floor(Date.now() / 1_000) * 1_000 + 86_400_000)
    const { version } = await secrets.putSecret('written', 'one', { expiresAt, contentType: 'text/plain' })
    const { version: next } = await secrets.putSecret('written', { a: 1 })
    expect(next).not.toBe(version)
    const [first, second] = here.started.vault.secrets.find('written')!.versions
    expect(first).toMatchObject({ version, value: 'one', contentType: 'text/plain', tags: { app: 'agents' }, attributes: { exp: expiresAt.getTime() / 1_000, enabled: true } })
    expect(second).toMatchObject({ value: '{"a":1}', contentType: 'application/json' })
    expect(await secrets.getSecret('written', { field: 'a' })).toBe('1')
  })

  it('of what Key Vault cannot hold, or do, is refused and changes nothing', async () => {
    put('kept', 'kept')
    const secrets = open()
    await expect(secrets.putSecret('kept', 'x', { expiresAt: new Date('2038-01-19T03:14:08Z') })).rejects.toMatchObject({ code: 'unsupported', reason: 'expiresAt' })
    await expect(secrets.putSecret('kept', 'x'.repeat(25_601))).rejects.toMatchObject({ code: 'unsupported', reason: 'too-large' })
    await expect(secrets.putSecret('kept', 'x', { ifVersion: null })).rejects.toMatchObject({ code: 'unsupported', reason: 'ifVersion' })
    await expect(secrets.putSecret('kept', 'x', { idempotencyKey: 'once' })).rejects.toMatchObject({ code: 'unsupported', reason: 'idempotencyKey' })
    await expect(secrets.putSecret('kept', 'x', { stage: 'current' })).rejects.toMatchObject({ code: 'unsupported' })
    expect(here.started.vault.secrets.find('kept')!.versions).toHaveLength(1)
    const { version } = await secrets.putSecret('kept', 'x'.repeat(25_600), { expiresAt: new Date('2038-01-19T03:14:07Z') })
    expect(here.started.vault.secrets.find('kept')!.find(version!)?.attributes.exp).toBe(2 ** 31 - 1)
  })

  it('never leaves the process before the vault has said what a token has to be for', async () => {
    const secrets = open()
    await Promise.all(Array.from({ length: 10 }, (_, number) => secrets.putSecret(`first-${number}`, `canary ${number}`)))
    const bare = here.started.vault.seen.filter(({ path, isAuthenticated }) => path.includes('/first-') && !isAuthenticated)
    expect(bare.map(({ body }) => body)).toEqual([''])
  })

  it('to a name that waits for its purge is a conflict, which recovery ends', async () => {
    put('buried', 'x')
    const secrets = open()
    await secrets.deleteSecret('buried')
    await expect(secrets.putSecret('buried', 'y')).rejects.toMatchObject({
      code: 'conflict',
      reason: 'ObjectIsDeletedButRecoverable',
      message: expect.stringContaining('recover') as string,
    })
    const life = kept(versions(here.started.options as never))
    await life.recover('buried')
    expect(await secrets.getSecret('buried')).toBe('x')
    await secrets.deleteSecret('buried')
    await life.purge('buried')
    await secrets.putSecret('buried', 'z')
    expect(await secrets.getSecret('buried')).toBe('z')
    await expect(secrets.deleteSecret('absent')).rejects.toMatchObject({ code: 'not-found' })
  })
})

describe('versions', () => {
  it('are listed, disabled, enabled and tagged', async () => {
    const first = put('lived', 'first')
    const second = put('lived', 'second')
    const { credential, vaultUrl, allowInsecureEmulator } = here.started.options
    const life = kept(versions({ credential: credential!, vaultUrl: vaultUrl!, allowInsecureEmulator: allowInsecureEmulator! }))
    expect(new Map((await life.list('lived')).map(({ version, isEnabled }) => [version, isEnabled]))).toEqual(
      new Map([
        [first, true],
        [second, true],
      ]),
    )
    await life.disable('lived', second)
    await life.setTags('lived', first, { stage: 'previous' })
    const secrets = open()
    await expect(secrets.getSecret('lived')).rejects.toMatchObject({ code: 'not-found', reason: 'disabled' })
    expect(await secrets.getSecret('lived', { version: first })).toBe('first')
    expect((await life.list('lived')).find(({ version }) => version === first)).toMatchObject({ tags: { stage: 'previous' } })
    await life.enable('lived', second)
    expect(await secrets.getSecret('lived')).toBe('second')
    await expect(life.disable('lived', '0'.repeat(32))).rejects.toMatchObject({ code: 'not-found', secret: 'lived', provider: 'azure' })
    await expect(life.disable('lived', first, { signl: 1 } as never)).rejects.toMatchObject({ code: 'invalid-config' })
  })
})

describe('a description', () => {
  const versionsOfSecret = (name: string): number => requests().filter((one) => one === `GET /secrets/${name}/versions`).length

  it('is of the newest of many versions, wherever it stands, and of one that is named without looking on', async () => {
    for (let number = 0; number < 60; number += 1) put('many', `value ${number}`)
    const { versions: all } = here.started.vault.secrets.find('many')!
    all.forEach((one, index) => (one.attributes.created -= index === 40 ? 0 : 60 + index))
    const secrets = open()
    expect(await secrets.describeSecret('many')).toMatchObject({ version: all[40]!.version })
    expect(versionsOfSecret('many')).toBe(3 + 1)
    const provider = await make(azure(here.started.options))
    expect(await provider.describe!({ id: 'many', version: all[59]!.version.toUpperCase() }, context)).toMatchObject({ version: all[59]!.version })
    const before = versionsOfSecret('many')
    expect(await provider.describe!({ id: 'many', version: all[3]!.version }, context)).toMatchObject({ version: all[3]!.version })
    expect(versionsOfSecret('many') - before).toBe(1)
    await expect(provider.describe!({ id: 'many', version: '0'.repeat(32) }, context)).rejects.toMatchObject({ code: 'not-found' })
    await provider.close?.()
  })

  it('keeps none of the versions that it is not of', async () => {
    const seen: WeakRef<SecretProperties>[] = []
    let alive = Infinity
    async function* many(): AsyncGenerator<SecretProperties> {
      for (let number = 0; number < 200; number += 1) {
        const one = { name: 'many', version: `${number}`.padStart(32, '0'), createdOn: new Date(number * 1_000) } as SecretProperties
        seen.push(new WeakRef(one))
        yield one
      }
      // What a WeakRef was asked for is held to the end of the turn.
      await new Promise((resolve) => setTimeout(resolve, 10))
      await collectUntil(() => false, 3)
      alive = seen.filter((one) => one.deref() !== undefined).length
    }
    const client = { run: (_: unknown, ask: (vault: unknown, options: object) => unknown) => ask({ listPropertiesOfSecretVersions: many }, {}) } as unknown as VaultClient
    expect(await describeSecret(client, systemClock, { id: 'many' }, context)).toMatchObject({ version: '199'.padStart(32, '0') })
    expect(alive).toBeLessThan(5)
  })
})

it('watchSecret asks for the versions, and for no value', async () => {
  put('watched', 'first')
  const secrets = open({}, { cache: { ttl: '1s' } })
  const before = here.started.vault.seen.length
  const seen: string[] = []
  for await (const { version } of secrets.watchSecret('watched')) {
    seen.push(version!)
    if (seen.length === 2) break
    // Times have whole seconds.
    setTimeout(() => put('watched', 'second'), 1_500)
  }
  expect(new Set(seen).size).toBe(2)
  expect(new Set(requests().slice(before))).toEqual(new Set(['GET /secrets/watched/versions']))
})

it('versions end in time, and tell of their tokens', async () => {
  put('timed', 'value')
  const labels = new Map<string, string>()
  const life = versions({ ...here.started.options, timeout: '400ms', conceal: (value, label) => void labels.set(label, value) })
  expect(await life.list('timed')).toHaveLength(1)
  expect(labels.get('azure token')).toMatch(/^eyJ/)
  here.started.vault.spoil(() => undefined)
  await expect(life.list('timed')).rejects.toMatchObject({ code: 'timeout' })
  await life.close()
})

it('sixteen reads are on their way at once, and no more', async () => {
  const names = Array.from({ length: 40 }, (_, number) => `wide-${number}`)
  for (const name of names) put(name, name)
  const secrets = open()
  await secrets.getSecret('wide-0')
  const after = async (milliseconds: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, milliseconds))
  let [now, most] = [0, 0]
  let allHere = (): void => undefined
  const all = new Promise<void>((resolve) => (allHere = resolve))
  here.started.vault.spoil(async (_, response, answer) => {
    now += 1
    most = Math.max(most, now)
    // However slowly they come, the first of them wait for the sixteenth, and all of them for one more.
    if (now === 16) allHere()
    await Promise.race([all, after(3_000)])
    await after(50)
    now -= 1
    response.writeHead(200, { 'content-type': 'application/json' }).end(await answer())
  })
  expect(Object.values(await secrets.getSecrets(names))).toEqual(names)
  expect(most).toBe(16)
})

it('each request says that it is of keyward, to the vault and to what gives out tokens', async () => {
  const own = await startVault()
  try {
    own.vault.secrets.make('told').put('value', {})
    await open(own.options).getSecret('told')
    const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
    const logins = own.vault.logins.filter(({ path }) => path.split('?')[0]?.endsWith('/token') === true)
    expect(logins).toHaveLength(1)
    for (const { headers } of [...own.vault.seen, ...logins]) expect(headers['user-agent']).toMatch(new RegExp(`^keyward/${version.replaceAll('.', '\\.')} azsdk-js-`))
  } finally {
    await own.stop()
  }
})

it('the version of the interface is that which is asked for', async () => {
  put('spoken', 'value')
  expect(await open({ serviceVersion: '7.4' }).getSecret('spoken')).toBe('value')
  expect(here.started.vault.seen.at(-1)?.path).toMatch(/api(?:-|%2D)version=7\.4/)
  await expect(open({ serviceVersion: 'banana' }).getSecret('spoken')).rejects.toMatchObject({ code: 'unsupported', status: 400 })
})

it('bytes that are none are handed over as they are', async () => {
  put('odd', 'not base64!', { contentType: 'application/octet-stream;base64' })
  expect(await open().getSecret('odd')).toBe('not base64!')
})

it('more tags than Azure keeps are refused at the door', () => {
  const tags = Object.fromEntries(Array.from({ length: 16 }, (_, number) => [`tag-${number}`, 'x']))
  expect(() => azure({ ...here.started.options, tags })).toThrow('at most 15')
})
