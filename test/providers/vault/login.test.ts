/** Every way to log in, on a real server, and what becomes of the token. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { vault, type VaultOptions } from '../../../providers/vault/index.js'
import { createSecrets, isSecretError, type AuditEvent, type RootSecrets } from '../../../src/index.js'
import { OpenBao } from '../../servers/openbao.js'
import { sign, verificationKey } from '../../servers/signed-token.js'
import { closeAfterEach } from '../opened.js'

let server: OpenBao
let directory: string
beforeAll(async () => {
  server = await OpenBao.start()
  directory = await mkdtemp(join(tmpdir(), 'keyward-vault-login-'))
  await server.putPolicy('agents', 'path "secret/data/agents/*" { capabilities = ["read"] }')
  await server.demand('POST', 'secret/data/agents/key', { data: { value: 'not-a-real-key' } })
  for (let number = 0; number < 100; number += 1) await server.demand('POST', `secret/data/agents/${number}`, { data: { value: `value ${number}` } })
}, 60_000)
afterAll(async () => {
  await server.stop()
  await rm(directory, { recursive: true })
})

const kept = closeAfterEach()
afterEach(() => vi.unstubAllEnvs())

interface Opened {
  readonly secrets: RootSecrets<string>
  readonly events: AuditEvent[]
}

function open(options: VaultOptions, more: Partial<Parameters<typeof createSecrets<string>>[0]> = {}): Opened {
  const events: AuditEvent[] = []
  const secrets = kept(
    createSecrets<string>({ provider: vault({ address: server.address, mount: 'secret/agents', ...options }), audit: (event) => void events.push(event), ...more }),
  )
  return { secrets, events }
}

async function save(name: string, text: string): Promise<string> {
  const file = join(directory, name)
  await writeFile(file, text, { mode: 0o600 })
  return file
}

/** How often the server was asked this, answers not counted. */
async function requests(path: string): Promise<number> {
  return (await server.audit()).filter(({ type, request }) => type === 'request' && request.path === path).length
}

interface AppRole {
  readonly mount: string
  readonly roleId: string
  readonly secretId: string
}

let roles = 0
async function createAppRole(settings: Readonly<Record<string, unknown>> = {}): Promise<AppRole> {
  const mount = `approle-${(roles += 1)}`
  await server.demand('POST', `sys/auth/${mount}`, { type: 'approle' })
  await server.demand('POST', `auth/${mount}/role/agents`, { token_policies: ['agents'], token_no_default_policy: true, token_ttl: '1h', ...settings })
  const { data: role } = await server.demand('GET', `auth/${mount}/role/agents/role-id`)
  const { data: secret } = await server.demand('POST', `auth/${mount}/role/agents/secret-id`, {})
  return { mount, roleId: (role as { role_id: string }).role_id, secretId: (secret as { secret_id: string }).secret_id }
}

const logins = (events: readonly AuditEvent[]): readonly string[] => events.flatMap((event) => (event.type === 'login' ? [event.outcome] : []))

it('the address is that of VAULT_ADDR, of VAULT_AGENT_ADDR before it, and of BAO_ADDR before that', async () => {
  const token = await server.createToken(['agents'])
  vi.stubEnv('VAULT_ADDR', server.address)
  expect(await open({ address: undefined as never, token }).secrets.getSecret('key')).toBe('not-a-real-key')
  vi.stubEnv('VAULT_ADDR', 'http://127.0.0.1:1')
  vi.stubEnv('BAO_ADDR', server.address)
  expect(await open({ address: undefined as never, token }).secrets.getSecret('key')).toBe('not-a-real-key')
  vi.stubEnv('BAO_ADDR', 'http://127.0.0.1:1')
  vi.stubEnv('VAULT_AGENT_ADDR', server.address)
  expect(await open({ address: undefined as never, token }).secrets.getSecret('key')).toBe('not-a-real-key')
})

describe('a token', () => {
  it('is taken from the option, from VAULT_TOKEN, from BAO_TOKEN before it, or from a file', async () => {
    const token = await server.createToken(['agents'])
    expect(await open({ token }).secrets.getSecret('key')).toBe('not-a-real-key')
    vi.stubEnv('VAULT_TOKEN', token)
    expect(await open({}).secrets.getSecret('key')).toBe('not-a-real-key')
    vi.stubEnv('VAULT_TOKEN', 'another')
    vi.stubEnv('BAO_TOKEN', token)
    expect(await open({}).secrets.getSecret('key')).toBe('not-a-real-key')
    const tokenFile = await save('sink', `${token}\n`)
    expect(await open({ auth: { method: 'token', tokenFile } }).secrets.getSecret('key')).toBe('not-a-real-key')
  })

  it('is taken from where `vault login` left it, when nothing else says', async () => {
    const token = await server.createToken(['agents'])
    vi.stubEnv('HOME', directory)
    vi.stubEnv('VAULT_TOKEN', '')
    await expect(open({}).secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', message: expect.stringContaining('VAULT_TOKEN') as string })
    await save('.vault-token', token)
    expect(await open({}).secrets.getSecret('key')).toBe('not-a-real-key')
    await rm(join(directory, '.vault-token'))
  })

  it('that is revoked is unauthenticated, and one that may not is denied', async () => {
    const token = await server.createToken(['agents'])
    const { secrets } = open({ token }, { cache: false, references: { OTHER: 'secret/other' } })
    await expect(secrets.getSecret('OTHER')).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend' })
    expect(await secrets.getSecret('key')).toBe('not-a-real-key')
    await server.demand('POST', 'auth/token/revoke', { token })
    await expect(secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('that is dead when it is first used is told as such, also where it says nothing of itself', async () => {
    const token = await server.createToken(['agents'])
    const { secrets, events } = open({ token }, { cache: false })
    expect(await secrets.getSecret('key')).toBe('not-a-real-key')
    await server.demand('POST', 'auth/token/revoke', { token })
    const late = open({ token })
    await expect(late.secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated' })
    expect([logins(events), logins(late.events)[0]]).toEqual([['ok'], 'unauthenticated'])
  })

  it('from a file that an agent keeps is read anew once it is refused', async () => {
    const [first, second] = [await server.createToken(['agents']), await server.createToken(['agents'])]
    const tokenFile = await save('rotated', first)
    const { secrets } = open({ auth: { method: 'token', tokenFile } }, { cache: false })
    expect(await secrets.getSecret('key')).toBe('not-a-real-key')
    await save('rotated', second)
    await server.demand('POST', 'auth/token/revoke', { token: first })
    expect(await secrets.getSecret('key')).toBe('not-a-real-key')
  })

  it("is never revoked at the end, since it is somebody else's", async () => {
    const token = await server.createToken(['agents'])
    const { secrets } = open({ token })
    await secrets.getSecret('key')
    await secrets.close()
    expect((await server.request('GET', 'secret/data/agents/key', undefined, token)).status).toBe(200)
  })
})

describe('AppRole', () => {
  it('logs in once for a hundred secrets that are asked for at once, and ends its token at the end', async () => {
    const { mount, roleId, secretId } = await createAppRole({ token_no_default_policy: false })
    const { secrets, events } = open({ auth: { method: 'approle', mount, roleId, secretId } })
    const names = Array.from({ length: 100 }, (_, number) => `${number}`)
    const values = await secrets.getSecrets(names)
    expect(values['99']).toBe('value 99')
    expect(await requests(`auth/${mount}/login`)).toBe(1)
    expect(logins(events)).toEqual(['ok'])
    const before = await requests('auth/token/revoke-self')
    await secrets.close()
    expect(await requests('auth/token/revoke-self')).toBe(before + 1)
  })

  it('logs in once more where the token was revoked, and not where a read is denied', async () => {
    const { mount, roleId, secretId } = await createAppRole()
    const { secrets, events } = open({ auth: { method: 'approle', mount, roleId, secretId } }, { cache: false, references: { OTHER: 'secret/other' } })
    await secrets.getSecret('key')
    for (let time = 0; time < 3; time += 1) await expect(secrets.getSecret('OTHER')).rejects.toMatchObject({ code: 'denied' })
    expect(await requests(`auth/${mount}/login`)).toBe(1)
    const { data } = await server.demand('LIST', 'auth/token/accessors')
    const accessors = (data as { keys: string[] }).keys
    await Promise.all(
      accessors.map(async (accessor) => {
        const { body } = await server.request('POST', 'auth/token/lookup-accessor', { accessor })
        if ((body['data'] as { path?: string } | undefined)?.path === `auth/${mount}/login`) await server.demand('POST', 'auth/token/revoke-accessor', { accessor })
      }),
    )
    const names = Array.from({ length: 50 }, (_, number) => `${number}`)
    expect((await secrets.getSecrets(names))['49']).toBe('value 49')
    expect(await requests(`auth/${mount}/login`)).toBe(2)
    expect(logins(events)).toEqual(['ok', 'ok'])
  })

  it('renews its token, and logs in anew at the longest time that one may live', { timeout: 30_000 }, async () => {
    const { mount, roleId, secretId } = await createAppRole({ token_ttl: '3s', token_max_ttl: '7s', token_no_default_policy: false })
    const { secrets, events } = open({ auth: { method: 'approle', mount, roleId, secretId } }, { cache: false })
    const renewals = await requests('auth/token/renew-self')
    for (let time = 0; time < 22; time += 1) {
      expect(await secrets.getSecret('key')).toBe('not-a-real-key')
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    expect(await requests('auth/token/renew-self')).toBeGreaterThan(renewals)
    expect(await requests(`auth/${mount}/login`)).toBeGreaterThanOrEqual(2)
    expect(await requests(`auth/${mount}/login`)).toBeLessThanOrEqual(3)
    expect(new Set(logins(events))).toEqual(new Set(['ok']))
  })

  it('uses a token that lives for a second at most, and asks for another each time', async () => {
    const { mount, roleId, secretId } = await createAppRole({ token_ttl: '1s', token_max_ttl: '1s' })
    const { secrets } = open({ auth: { method: 'approle', mount, roleId, secretId } }, { cache: false })
    for (let time = 0; time < 3; time += 1) expect(await secrets.getSecret('key')).toBe('not-a-real-key')
    expect(await requests(`auth/${mount}/login`)).toBeLessThanOrEqual(6)
  })

  it.each([
    ['a secret id that is none', { secretId: 'none' }],
    ['a role that is none', { roleId: 'none' }],
    ['a mount that is none', { mount: 'nowhere' }],
  ])('is unauthenticated with %s, and says what to check', async (_, wrong) => {
    const right = await createAppRole()
    const { secrets, events } = open({ auth: { method: 'approle', ...right, ...wrong } })
    await expect(secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'approle', message: expect.stringContaining('vault.auth') as string })
    expect(logins(events)[0]).toBe('unauthenticated')
  })

  it('conceals its credentials and its token', async () => {
    const { mount, roleId, secretId } = await createAppRole()
    const { secrets } = open({ auth: { method: 'approle', mount, roleId, secretId } })
    await secrets.getSecret('key')
    const text = secrets.redact(`role ${roleId} secret ${secretId}`)
    expect(text).not.toContain(roleId)
    expect(text).not.toContain(secretId)
  })
})

describe('a wrapped secret id', () => {
  async function wrap(mount: string): Promise<string> {
    const { wrap_info: info } = await server.demand('POST', `auth/${mount}/role/agents/secret-id`, {}, server.rootToken, { 'x-vault-wrap-ttl': '60s' })
    return (info as { token: string }).token
  }

  it('is unwrapped once, and logs in more than once', async () => {
    const { mount, roleId } = await createAppRole()
    const wrappedSecretId = await wrap(mount)
    const { secrets, events } = open({ auth: { method: 'approle', mount, roleId, wrappedSecretId } }, { cache: false })
    expect(await secrets.getSecret('key')).toBe('not-a-real-key')
    await server.demand('POST', `sys/leases/revoke-prefix/auth/${mount}/login`, {})
    expect(await secrets.getSecret('key')).toBe('not-a-real-key')
    expect(logins(events)).toEqual(['ok', 'ok'])
    expect(secrets.redact(`it was ${wrappedSecretId}`)).not.toContain(wrappedSecretId)
    expect((await server.request('POST', 'sys/wrapping/unwrap', {}, wrappedSecretId)).status).not.toBe(200)
  })

  it('may be in a file, as the role id and a secret id may', async () => {
    const { mount, roleId, secretId } = await createAppRole()
    const roleIdFile = await save('role-id', `${roleId}\n`)
    const wrappedSecretIdFile = await save('wrapped', `${await wrap(mount)}\n`)
    expect(await open({ auth: { method: 'approle', mount, roleIdFile, wrappedSecretIdFile } }).secrets.getSecret('key')).toBe('not-a-real-key')
    const secretIdFile = await save('secret-id', `${secretId}\n`)
    expect(await open({ auth: { method: 'approle', mount, roleIdFile, secretIdFile } }).secrets.getSecret('key')).toBe('not-a-real-key')
    const absent = open({ auth: { method: 'approle', mount, roleIdFile, secretIdFile: join(directory, 'absent') } })
    await expect(absent.secrets.getSecret('key')).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringMatching(/secretIdFile.*ENOENT.*absent/) as string })
  })

  it('of another role of the mount is told of, when it does not log in', async () => {
    const { mount, roleId } = await createAppRole()
    await server.demand('POST', `auth/${mount}/role/other`, { token_policies: ['agents'] })
    const { wrap_info: info } = await server.demand('POST', `auth/${mount}/role/other/secret-id`, {}, server.rootToken, { 'x-vault-wrap-ttl': '60s' })
    const { secrets, events } = open({ auth: { method: 'approle', mount, roleId, wrappedSecretId: (info as { token: string }).token } }, { retry: false })
    await expect(secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'wrapping-token' })
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning' }))
  })

  it('that somebody has opened is refused, and told of', async () => {
    const { mount, roleId } = await createAppRole()
    const wrappedSecretId = await wrap(mount)
    await server.demand('POST', 'sys/wrapping/unwrap', {}, wrappedSecretId)
    const { secrets, events } = open({ auth: { method: 'approle', mount, roleId, wrappedSecretId } }, { retry: false })
    await expect(secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'wrapping-token', message: expect.stringContaining('somebody else') as string })
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning', warning: expect.stringContaining('wrapping token') as string }))
    expect(await requests(`auth/${mount}/login`)).toBe(0)
  })

  it.each([
    ['of other data', async () => (await server.demand('POST', 'sys/wrapping/wrap', { secret_id: 'swapped' }, server.rootToken, { 'x-vault-wrap-ttl': '60s' }))['wrap_info']],
    [
      'of the role itself',
      async () => {
        const { mount } = await createAppRole()
        const { wrap_info: info } = await server.demand('GET', `auth/${mount}/role/agents/role-id`, undefined, server.rootToken, { 'x-vault-wrap-ttl': '60s' })
        return { ...(info as object), mount }
      },
    ],
    [
      'of another mount',
      async () => {
        const other = await createAppRole()
        return { token: await wrap(other.mount) }
      },
    ],
  ])('%s is refused before it is opened', async (_, make) => {
    const { mount: own, roleId } = await createAppRole()
    const { token, mount = own } = (await make()) as { token: string; mount?: string }
    const { secrets } = open({ auth: { method: 'approle', mount, roleId, wrappedSecretId: token } }, { retry: false })
    await expect(secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'wrapping-token' })
    expect(await requests(`auth/${mount}/login`)).toBe(0)
    expect((await server.request('POST', 'sys/wrapping/unwrap', {}, token)).status).toBe(200)
  })
})

describe('userpass', () => {
  it('logs in with a password, from a file or from a function', async () => {
    await server.demand('POST', 'sys/auth/userpass', { type: 'userpass' })
    await server.demand('POST', 'auth/userpass/users/agent', { password: 'not a real password', token_policies: ['agents'] })
    for (const given of [{ password: 'not a real password' }, { password: async () => 'not a real password' }, { passwordFile: await save('password', 'not a real password\n') }]) {
      const { secrets } = open({ auth: { method: 'userpass', username: 'agent', ...given } })
      expect(await secrets.getSecret('key')).toBe('not-a-real-key')
      expect(secrets.redact('it was not a real password')).toBe('it was [secret vault credential]')
    }
    await expect(open({ auth: { method: 'userpass', username: 'agent', password: 'another' } }).secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated' })
  })
})

describe('tokens that somebody else signs', () => {
  it('jwt: logs in with one, which is asked for at each login', async () => {
    await server.demand('POST', 'sys/auth/jwt', { type: 'jwt' })
    await server.demand('POST', 'auth/jwt/config', { jwt_validation_pubkeys: [verificationKey], bound_issuer: 'keyward-tests' })
    await server.demand('POST', 'auth/jwt/role/agents', { role_type: 'jwt', user_claim: 'sub', bound_audiences: ['vault'], token_policies: ['agents'] })
    let asked = 0
    const token = (): string => {
      asked += 1
      return sign({ sub: 'agent' })
    }
    expect(await open({ auth: { method: 'jwt', role: 'agents', token } }).secrets.getSecret('key')).toBe('not-a-real-key')
    expect(asked).toBe(1)
    await expect(open({ auth: { method: 'jwt', role: 'agents', token: sign({ sub: 'agent', aud: 'another' }) } }).secrets.getSecret('key')).rejects.toMatchObject({
      code: 'unauthenticated',
    })
  })

  it('a function that fails or gives nothing is told of without what it said', async () => {
    for (const token of [() => '', async () => undefined as never, () => Promise.reject(new Error('canary'))]) {
      const error: unknown = await open({ auth: { method: 'jwt', role: 'agents', token } })
        .secrets.getSecret('key')
        .catch((reason: unknown) => reason)
      expect(isSecretError(error, 'invalid-config')).toBe(true)
      expect(String(error)).toContain('vault.auth.token')
      expect(String(error)).not.toContain('canary')
    }
  })
})

it('a credential that never comes fails the login, and not those after it', { timeout: 60_000 }, async () => {
  let asked = 0
  const token = (): Promise<string> => {
    asked += 1
    return asked === 1 ? new Promise<never>(() => undefined) : server.createToken(['agents'])
  }
  const { secrets } = open({ auth: { method: 'token', token } }, { timeout: '1s', retry: false })
  await expect(secrets.getSecret('key')).rejects.toMatchObject({ code: 'timeout' })
  await expect.poll(() => secrets.getSecret('key').catch(({ code }: { code: string }) => code), { timeout: 40_000, interval: 1_000 }).toBe('not-a-real-key')
})

it('a token with a line end of its container is taken without, and one that no header can hold is refused', async () => {
  const token = await server.createToken(['agents'])
  vi.stubEnv('VAULT_TOKEN', `${token}\n`)
  expect(await open({}).secrets.getSecret('key')).toBe('not-a-real-key')
  await expect(open({ token: 'two words\n' }).secrets.getSecret('key')).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('VAULT_TOKEN') as string })
})

describe('a namespace', () => {
  it('is where secrets are read and logins are made', async () => {
    await server.demand('POST', 'sys/namespaces/team', {})
    const inTeam = { 'x-vault-namespace': 'team' }
    await server.demand('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } }, server.rootToken, inTeam)
    await server.demand('POST', 'kv/data/key', { data: { value: 'of the team' } }, server.rootToken, inTeam)
    await server.demand('POST', 'sys/auth/userpass', { type: 'userpass' }, server.rootToken, inTeam)
    await server.demand('PUT', 'sys/policies/acl/reader', { policy: 'path "kv/data/key" { capabilities = ["read"] }' }, server.rootToken, inTeam)
    await server.demand('POST', 'auth/userpass/users/of-team', { password: 'not a real one', token_policies: ['reader'] }, server.rootToken, inTeam)
    const auth = { method: 'userpass', username: 'of-team', password: 'not a real one' } as const
    expect(await open({ auth, namespace: 'team', mount: 'kv' }).secrets.getSecret('key')).toBe('of the team')
    const { secrets } = open({ token: server.rootToken, namespace: 'team', mount: 'kv' })
    expect(await secrets.getSecret('key')).toBe('of the team')
    expect(await secrets.check()).toMatchObject({ vault: { ok: true } })
    vi.stubEnv('VAULT_NAMESPACE', 'team')
    expect(await open({ token: server.rootToken, mount: 'kv' }).secrets.getSecret('key')).toBe('of the team')
  })
})
