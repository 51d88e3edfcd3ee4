/** Secrets of KV, in both versions, on a real server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { vault } from '../../../providers/vault/index.js'
import type { VaultOptions } from '../../../providers/vault/options.js'
import { createSecrets, type RootSecrets } from '../../../src/index.js'
import { FaultProxy, status } from '../../servers/fault-proxy.js'
import { OpenBao } from '../../servers/openbao.js'
import { context, make } from '../setup.js'
import { closeAfterEach } from '../opened.js'

let server: OpenBao
beforeAll(async () => {
  server = await OpenBao.start()
  await server.demand('POST', 'sys/mounts/old', { type: 'kv', options: { version: '1' } })
  await server.demand('POST', 'sys/mounts/team/kv', { type: 'kv', options: { version: '2' } })
}, 60_000)
afterAll(() => server.stop())

const kept = closeAfterEach()

function open(references: Readonly<Record<string, string>> = {}, options: VaultOptions = {}): RootSecrets<string> {
  return kept(createSecrets<string>({ provider: vault({ address: server.address, token: server.rootToken, ...options }), references, cache: false }))
}

const write = (path: string, data: Readonly<Record<string, unknown>>, options = {}): Promise<unknown> => server.demand('POST', path, { data, options })

async function requests(path: string): Promise<number> {
  return (await server.audit()).filter(({ type, request }) => type === 'request' && request.path === path).length
}

describe('where a secret is', () => {
  it('is told by a name within the mount, and by a reference from its mount on', async () => {
    await write('secret/data/OPENAI_API_KEY', { value: 'of the default mount' })
    await write('secret/data/app/database', { username: 'agent', password: 'not-a-real-password' })
    await write('team/kv/data/app', { key: 'of the team' })
    await server.demand('POST', 'old/app', { key: 'of the old' })
    const secrets = open({ DB: 'secret/app/database#password', TEAM: 'team/kv/app#key', OLD: 'old/app#key' })
    expect(await secrets.getSecrets(['OPENAI_API_KEY', 'DB', 'TEAM', 'OLD'])).toEqual({
      OPENAI_API_KEY: 'of the default mount',
      DB: 'not-a-real-password',
      TEAM: 'of the team',
      OLD: 'of the old',
    })
    expect(await open({}, { mount: '/team/kv/' }).getSecret('app', { field: 'key' })).toBe('of the team')
  })

  it('is asked once for each mount, however many secrets are read at once', async () => {
    const ids = Array.from({ length: 100 }, (_, number) => `many/${number}`)
    for (const id of ids) await write(`secret/data/${id}`, { value: id })
    const asked = async (): Promise<number> => (await server.audit()).filter(({ type, request }) => type === 'request' && request.path.startsWith('sys/internal/ui/mounts/')).length
    const before = await asked()
    const secrets = open()
    expect((await secrets.getSecrets(ids))['many/99']).toBe('many/99')
    expect((await secrets.getSecrets(ids))['many/7']).toBe('many/7')
    expect((await asked()) - before).toBe(1)
  })

  it('is read once for all of its fields', async () => {
    const fields = Array.from({ length: 10 }, (_, number) => `field_${number}`)
    const references = Object.fromEntries(Array.from({ length: 10 }, (_, path) => fields.map((field) => [`NAME_${path}_${field}`, `secret/wide/${path}#${field}`] as const)).flat())
    for (let path = 0; path < 10; path += 1) await write(`secret/data/wide/${path}`, Object.fromEntries(fields.map((field) => [field, `${path} ${field}`])))
    const read = async (): Promise<number> => (await server.audit()).filter(({ type, request }) => type === 'request' && request.path.startsWith('secret/data/wide/')).length
    const before = await read()
    const values = await open(references).getSecrets(Object.keys(references))
    expect(Object.keys(values)).toHaveLength(100)
    expect(values['NAME_7_field_3']).toBe('7 field_3')
    expect((await read()) - before).toBe(10)
  })

  it('may have any character, and leads nowhere else', async () => {
    for (const id of ['a b', 'what?version=1', 'part#field', '100%', '%2e%2e', 'c:d', 'ä/水', "+&=;,@!$'()*~", '{{x}}', '&#x2F;'])
      await write(`secret/data/${id.split('/').map(encodeURIComponent).join('/')}`, { value: `value of ${id}` }).then(async () =>
        expect(await open({ NAME: `secret/${id.replaceAll(/[%?#*]/g, encodeURIComponent).replaceAll('*', '%2A')}` }).getSecret('NAME')).toBe(`value of ${id}`),
      )
  })

  it.each(['secret/../sys/mounts', 'secret/./x', 'secret//x', '/secret/x', 'secret/x/'])('is refused where it would lead elsewhere: %j', async (id) => {
    const before = (await server.audit()).length
    await expect(open({ NAME: id }).getSecret('NAME')).rejects.toMatchObject({ code: expect.stringMatching(/unsupported|invalid-config/) as string })
    expect(await server.audit()).toHaveLength(before)
  })

  it('may be in a mount whose name would be another path, and is in no other', async () => {
    for (const mount of ['p%41', 'pA', 'h#x', 'q?x']) {
      await server.demand('POST', `sys/mounts/${encodeURIComponent(mount)}`, { type: 'kv', options: { version: '2' } })
      await write(`${encodeURIComponent(mount)}/data/key`, { value: `of ${mount}` })
    }
    const secrets = open({ ENCODED: 'p%2541/key', PLAIN: 'pA/key', HASH: 'h%23x/key', QUESTION: 'q%3Fx/key', 'in/*': 'p%2541/*' })
    expect(await secrets.getSecrets(['ENCODED', 'PLAIN', 'HASH', 'QUESTION'])).toEqual({ ENCODED: 'of p%41', PLAIN: 'of pA', HASH: 'of h#x', QUESTION: 'of q?x' })
    await secrets.putSecret('ENCODED', 'written')
    expect(await secrets.getSecret('PLAIN')).toBe('of pA')
    expect(await secrets.describeSecret('ENCODED')).toMatchObject({ version: '2' })
    const listed: string[] = []
    for await (const { name } of secrets.listSecrets({ prefix: 'in/' })) listed.push(name)
    expect(listed).toEqual(['in/key'])
    await secrets.deleteSecret('ENCODED')
    expect(await secrets.getSecret('PLAIN')).toBe('of pA')
  })

  it('has no control characters in it', async () => {
    const provider = await make(vault({ address: server.address, token: server.rootToken }))
    for (const id of ['secret/a\nb', 'secret/a\u0000', 'secret/\uD800']) await expect(provider.get({ id }, context)).rejects.toMatchObject({ code: 'unsupported' })
    await provider.close!()
  })

  it('in no mount is denied, and told how a reference begins', async () => {
    await expect(open({ NAME: 'nowhere/app' }).getSecret('NAME')).rejects.toMatchObject({
      code: 'denied',
      deniedBy: 'backend',
      reason: 'mount',
      message: expect.stringContaining('begins with its mount') as string,
    })
  })

  it('is found again when its mount was upgraded while the process ran', async () => {
    await server.demand('POST', 'sys/mounts/upgraded', { type: 'kv', options: { version: '1' } })
    await server.demand('POST', 'upgraded/app', { value: 'kept' })
    const secrets = open({ NAME: 'upgraded/app' })
    expect(await secrets.getSecret('NAME')).toBe('kept')
    await server.demand('POST', 'sys/mounts/upgraded/tune', { options: { version: '2' } })
    await expect.poll(() => secrets.getSecret('NAME').catch(({ code }: { code: string }) => code), { timeout: 10_000 }).toBe('kept')
  })

  it('is listed all the same', async () => {
    await server.demand('POST', 'sys/mounts/raised', { type: 'kv', options: { version: '1' } })
    await server.demand('POST', 'raised/folder/app', { value: 'kept' })
    const secrets = open({ 'raised/*': 'raised/*' })
    const listed = async (): Promise<readonly string[]> => {
      const names: string[] = []
      for await (const { reference, version } of secrets.listSecrets({ prefix: 'raised/' })) names.push(`${reference} ${version}`)
      return names
    }
    expect(await listed()).toEqual(['raised/folder/app undefined'])
    await server.demand('POST', 'sys/mounts/raised/tune', { options: { version: '2' } })
    await expect.poll(() => listed().catch(({ code }: { code: string }) => code), { timeout: 10_000 }).toEqual(['raised/folder/app 1'])
  })
})

describe('a value', () => {
  it('is the record, its only `value`, or one of its fields', async () => {
    await write('secret/data/record', { text: 'a', number: 7, nested: { list: [1, null, true] } })
    const secrets = open()
    expect(await secrets.getSecret('record', { as: 'json' })).toEqual({ text: 'a', number: 7, nested: { list: [1, null, true] } })
    expect(await secrets.getSecret('record', { field: 'nested', as: 'json' })).toEqual({ list: [1, null, true] })
    await expect(secrets.getSecret('record')).rejects.toMatchObject({ code: 'invalid-value', message: expect.stringMatching(/nested.*number.*text/) as string })
    await expect(secrets.getSecret('record', { field: 'absent' })).rejects.toMatchObject({ code: 'not-found', reason: 'no-such-field' })
  })

  it('of an older version is read by its number', async () => {
    for (const value of ['first', 'second']) await write('secret/data/versioned', { value })
    const secrets = open({ PINNED: 'secret/versioned?version=1' })
    expect(await secrets.getSecret('versioned')).toBe('second')
    expect(await secrets.getSecret('versioned', { version: '1' })).toBe('first')
    expect(await secrets.getSecret('PINNED')).toBe('first')
    for (const version of ['3', '0', '-1', 'latest', '1e0', '01']) await expect(secrets.getSecret('versioned', { version })).rejects.toMatchObject({ code: 'not-found' })
    await expect(open({ OLD: 'old/app' }).getSecret('OLD', { version: '1' })).rejects.toMatchObject({ code: 'unsupported', reason: 'version' })
  })

  it('of a version that there is not says so', async () => {
    await write('secret/data/few', { value: 'one' })
    const secrets = open()
    for (const read of [() => secrets.getSecret('few', { version: '9' }), () => secrets.describeSecret('few', { version: '9' })])
      await expect(read()).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining('no such version') as string })
  })

  it('of another version than was asked for, or of none, is not taken', async () => {
    const proxy = await FaultProxy.start(server.address)
    await write('secret/data/steady', { value: 'one' })
    const secrets = kept(createSecrets<string>({ provider: vault({ address: proxy.address, token: server.rootToken }), cache: false, retry: false }))
    const isData = ({ url }: { url?: string | undefined }): boolean => url?.includes('/data/') === true
    expect(await secrets.getSecret('steady', { version: '1' })).toBe('one')
    proxy.spoil(status(200, {}, '{"data":{"data":{"value":"of seven"},"metadata":{"version":7}}}'), isData)
    await expect(secrets.getSecret('steady', { version: '1' })).rejects.toMatchObject({ code: 'unavailable', reason: 'not-json' })
    for (const body of ['', '{}', '{"data":{}}', '{"data":null}']) {
      proxy.spoil(status(200, {}, body), isData)
      await expect(secrets.putSecret('steady', 'two')).rejects.toMatchObject({ code: 'unavailable', reason: 'not-json' })
    }
    expect(await open().getSecret('steady')).toBe('one')
    await proxy.stop()
  })

  it('ends at the earlier of what the mount and what its metadata say', async () => {
    const [early, late] = [new Date(Date.now() + 3_600_000), new Date(Date.now() + 7_200_000)]
    await server.demand('POST', 'secret/metadata/ending', { delete_version_after: '90m', custom_metadata: { expires_at: early.toISOString() } })
    await write('secret/data/ending', { value: 'x' })
    expect((await open().describeSecret('ending')).expiresAt).toEqual(early)
    await server.demand('POST', 'secret/metadata/ending', { delete_version_after: '90m', custom_metadata: { expires_at: late.toISOString() } })
    const { expiresAt } = await open().describeSecret('ending')
    expect(Math.abs(expiresAt!.getTime() - Date.now() - 5_400_000)).toBeLessThan(10_000)
  })

  it('is described to who may read it and nothing beside it', async () => {
    await write('secret/data/alone', { value: 'not-to-be-told' })
    await server.putPolicy('data-alone', 'path "secret/data/*" { capabilities = ["read"] }')
    const secrets = open({}, { token: await server.createToken(['data-alone']) })
    const description = await secrets.describeSecret('alone')
    expect(description).toMatchObject({ version: '1', createdAt: expect.any(Date) as Date })
    expect(JSON.stringify(description)).not.toContain('not-to-be-told')
    expect(await secrets.describeSecret('alone', { version: '1' })).toMatchObject({ version: '1' })
    await expect(secrets.describeSecret('absent')).rejects.toMatchObject({ code: 'not-found' })
  })

  it('that was deleted or destroyed is not found, and told why and when', async () => {
    for (const value of ['first', 'second', 'third']) await write('secret/data/gone', { value })
    await server.demand('POST', 'secret/destroy/gone', { versions: [1] })
    await server.demand('DELETE', 'secret/data/gone')
    const secrets = open()
    await expect(secrets.getSecret('gone')).rejects.toMatchObject({ code: 'not-found', reason: 'deleted', at: expect.any(Date) as Date })
    await expect(secrets.getSecret('gone', { version: '1' })).rejects.toMatchObject({ code: 'not-found', reason: 'destroyed' })
    expect(await secrets.getSecret('gone', { version: '2' })).toBe('second')
    await server.demand('POST', 'secret/undelete/gone', { versions: [3] })
    expect(await secrets.getSecret('gone')).toBe('third')
  })

  it('that the mount will delete is not served past that time', async () => {
    await server.demand('POST', 'secret/metadata/short', { delete_version_after: '2s' })
    await write('secret/data/short', { value: 'for two seconds' })
    const secrets = kept(createSecrets<string>({ provider: vault({ address: server.address, token: server.rootToken }) }))
    expect(await secrets.getSecret('short')).toBe('for two seconds')
    const { expiresAt } = await secrets.describeSecret('short')
    expect(expiresAt!.getTime() - Date.now()).toBeLessThan(2_500)
    await new Promise((resolve) => setTimeout(resolve, expiresAt!.getTime() - Date.now() + 50))
    await expect(secrets.getSecret('short')).rejects.toMatchObject({ code: 'not-found', reason: 'deleted' })
  })

  it('ends at the earlier of two times that are told', async () => {
    await server.demand('POST', 'secret/metadata/twice', { delete_version_after: '1h', custom_metadata: { expires_at: '2099-01-01T00:00:00Z' } })
    await write('secret/data/twice', { value: 'x' })
    expect((await open().describeSecret('twice')).expiresAt!.getTime()).toBeLessThan(Date.now() + 3_700_000)
  })

  it('has the type and the times that its custom metadata tells', async () => {
    const expiry = new Date(Date.now() + 3_600_000)
    await server.demand('POST', 'secret/metadata/told', {
      custom_metadata: { content_type: 'application/json', expires_at: expiry.toISOString(), next_rotation_at: '2030-01-01T00:00:00Z' },
    })
    await write('secret/data/told', { value: 'x' })
    const provider = await make(vault({ address: server.address, token: server.rootToken }))
    expect(await provider.get({ id: 'secret/told' }, context)).toMatchObject({ contentType: 'application/json' })
    expect(await open().describeSecret('told')).toMatchObject({
      version: '1',
      createdAt: expect.any(Date) as Date,
      expiresAt: expiry,
      nextRotationAt: new Date('2030-01-01T00:00:00Z'),
    })
  })
})

describe('writing', () => {
  it('compares the version, and takes a deleted secret for none', async () => {
    const secrets = open()
    expect(await secrets.putSecret('written', 'first', { ifVersion: null })).toEqual({ version: '1' })
    await expect(secrets.putSecret('written', 'again', { ifVersion: null })).rejects.toMatchObject({ code: 'conflict' })
    await expect(secrets.putSecret('written', 'again', { ifVersion: '7' })).rejects.toMatchObject({ code: 'conflict' })
    await expect(secrets.putSecret('written', 'again', { ifVersion: 'none' })).rejects.toMatchObject({ code: 'conflict' })
    expect(await secrets.putSecret('written', { a: 'b' }, { ifVersion: '1' })).toEqual({ version: '2' })
    expect(await secrets.getSecret('written', { field: 'a' })).toBe('b')
    await secrets.deleteSecret('written')
    expect(await secrets.putSecret('written', 'anew', { ifVersion: null })).toEqual({ version: '3' })
    expect(await secrets.getSecret('written')).toBe('anew')
  })

  it('tells a conflict as one, whatever the secret is', async () => {
    const secrets = open()
    await expect(secrets.putSecret('never-there', 'x', { ifVersion: '1' })).rejects.toMatchObject({ code: 'conflict' })
    await secrets.putSecret('contended', 'x')
    await secrets.deleteSecret('contended')
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => open().putSecret('contended', 'y', { ifVersion: null })))
    const codes = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as { code: string }).code] : []))
    expect(codes).toEqual(Array.from({ length: 7 }, () => 'conflict'))
  })

  it('deletes every version, and none of what is not there', async () => {
    const secrets = open()
    for (const value of ['first', 'second']) await secrets.putSecret('removed', value)
    await secrets.deleteSecret('removed')
    await expect(secrets.getSecret('removed')).rejects.toMatchObject({ code: 'not-found', reason: 'deleted' })
    for (const version of ['1', '2']) await expect(secrets.getSecret('removed', { version })).rejects.toMatchObject({ code: 'not-found', reason: 'deleted' })
    await expect(secrets.deleteSecret('removed')).rejects.toMatchObject({ code: 'not-found', reason: 'deleted' })
    await expect(secrets.deleteSecret('never')).rejects.toMatchObject({ code: 'not-found' })
    await server.demand('POST', 'secret/undelete/removed', { versions: [2] })
    expect(await secrets.getSecret('removed')).toBe('second')
  })

  it('on version 1 keeps one value and compares nothing', async () => {
    const secrets = open({}, { mount: 'old' })
    expect(await secrets.putSecret('written', 'first')).toEqual({})
    expect(await secrets.getSecret('written')).toBe('first')
    await expect(secrets.putSecret('written', 'x', { ifVersion: '1' })).rejects.toMatchObject({ code: 'unsupported', reason: 'ifVersion' })
    await secrets.deleteSecret('written')
    await expect(secrets.deleteSecret('written')).rejects.toMatchObject({ code: 'not-found' })
  })

  it.each([
    ['idempotencyKey', { idempotencyKey: 'x' }],
    ['stage', { stage: 'x' }],
    ['expiresAt', { expiresAt: new Date(Date.now() + 1_000) }],
    ['contentType', { contentType: 'text/plain' }],
  ])('takes no %s, and says so', async (field, options) => {
    await expect(open().putSecret('refused', 'x', options)).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining(field) as string })
    expect(await requests('secret/data/refused')).toBe(0)
  })
})

it('lists folder by folder what begins so, with versions, and without what is deleted', async () => {
  for (const id of ['list/a', 'list/ab', 'list/b/c', 'list/b/d/e', 'list/gone']) await write(`secret/data/${id}`, { value: id })
  await server.demand('DELETE', 'secret/data/list/gone')
  const listed = async (prefix: string): Promise<readonly string[]> => {
    const names: string[] = []
    for await (const { name, version } of open().listSecrets({ prefix })) names.push(`${name} ${version}`)
    return names.toSorted()
  }
  expect(await listed('list/')).toEqual(['list/a 1', 'list/ab 1', 'list/b/c 1', 'list/b/d/e 1'])
  expect(await listed('list/a')).toEqual(['list/a 1', 'list/ab 1'])
  expect(await listed('list/b/d')).toEqual(['list/b/d/e 1'])
  expect(await listed('list/none')).toEqual([])
})

it('lists names alone to who may not read them, and reads no value of a mount that keeps nothing beside it', async () => {
  for (const name of ['one', 'two']) {
    await write(`secret/data/named/${name}`, { value: name })
    await server.demand('POST', `old/named/${name}`, { value: name })
  }
  await server.putPolicy('lister', 'path "secret/metadata/named/" { capabilities = ["list"] }\npath "old/named/" { capabilities = ["list"] }')
  const secrets = open({ 'old/*': 'old/*' }, { token: await server.createToken(['lister']) })
  const listed = async (prefix: string): Promise<readonly string[]> => {
    const names: string[] = []
    for await (const { name, version } of secrets.listSecrets({ prefix })) names.push(`${name} ${version}`)
    return names.toSorted()
  }
  expect(await listed('named/')).toEqual(['named/one undefined', 'named/two undefined'])
  const before = await requests('old/named/one')
  expect(await listed('old/named/')).toEqual(['old/named/one undefined', 'old/named/two undefined'])
  expect(await requests('old/named/one')).toBe(before)
})

it('lists past what engines make when it is read, and says which path it may not', async () => {
  await server.demand('POST', 'sys/mounts/transit-of-list', { type: 'transit' })
  await write('secret/data/beside', { value: 'x' })
  const names = async (references: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    const found: string[] = []
    for await (const { name } of open(references).listSecrets()) found.push(name)
    return found
  }
  expect(await names({ LENT: 'transit-of-list/keys/x' })).toContain('beside')
  await expect(names({ AWAY: 'nowhere/x' })).rejects.toMatchObject({ code: 'denied', reason: 'mount', message: expect.stringContaining('"nowhere"') as string })
})

describe('what only KV can do', () => {
  it.each([
    ['put', (secrets: RootSecrets<string>) => secrets.putSecret('LENT', 'x')],
    ['delete', (secrets: RootSecrets<string>) => secrets.deleteSecret('LENT')],
    ['version', (secrets: RootSecrets<string>) => secrets.getSecret('LENT', { version: '1' })],
    ['version', (secrets: RootSecrets<string>) => secrets.describeSecret('LENT', { version: '1' })],
  ] as const)('is unsupported elsewhere: %s', async (reason, run) => {
    await server.request('POST', 'sys/mounts/transit-of-kv', { type: 'transit' })
    await expect(run(open({ LENT: 'transit-of-kv/keys/x' }))).rejects.toMatchObject({ code: 'unsupported', reason })
  })

  it('is refused what it does not keep', async () => {
    await expect(open().putSecret('bytes', Uint8Array.from([1, 2]))).rejects.toMatchObject({ code: 'unsupported', reason: 'bytes' })
  })

  it('says that a write has to compare where it has to', async () => {
    await server.demand('POST', 'secret/metadata/comparing', { cas_required: true })
    const secrets = open()
    await expect(secrets.putSecret('comparing', 'x')).rejects.toMatchObject({
      code: 'unsupported',
      reason: 'ifVersion',
      message: expect.stringContaining('cas_required') as string,
    })
    expect(await secrets.putSecret('comparing', 'x', { ifVersion: null })).toEqual({ version: '1' })
  })
})
