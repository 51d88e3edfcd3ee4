/** Every way to log in, with the real classes of `@azure/identity` against a token endpoint over TLS that verifies what they bring. */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { azure, type AzureCredential, type AzureOptions } from '../../../providers/azure/index.js'
import { checkOptions } from '../../../providers/azure/options.js'
import { createSecrets } from '../../../src/index.js'
import { createAuthority } from '../../servers/certificates.js'
import { status } from '../../servers/fault-proxy.js'
import type { Principal } from '../../servers/key-vault/index.js'
import { signToken } from '../../servers/key-vault/token.js'
import { context, make } from '../setup.js'
import { everything, loginOf, useVault } from './setup.js'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const issuer = 'https://issuer.of.the.tests'
const federated: Principal = {
  clientId: randomUUID(),
  federated: { issuer, subject: 'system:serviceaccount:agents:app', key: publicKey.export({ type: 'spki', format: 'pem' }) as string },
}
const agents: Readonly<Record<string, Principal & { secret: string }>> = {
  researcher: { clientId: randomUUID(), secret: `secret-of-researcher-${randomUUID()}` },
  writer: { clientId: randomUUID(), secret: `secret-of-writer-${randomUUID()}` },
}

let withCertificate: Principal & { readonly file: string }
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keyward-test-'))
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('app', 'rsa')
  await authority.close()
  withCertificate = { clientId: randomUUID(), certificate, file: join(directory, 'app.pem') }
  await writeFile(withCertificate.file, `${key}\n${certificate}\n`, { mode: 0o600 })
})
afterAll(() => rm(directory, { recursive: true }))
afterEach(() => vi.unstubAllEnvs())

const here = useVault(
  () => [federated, withCertificate, ...Object.values(agents)],
  ({ vault }) => {
    for (const { clientId } of [federated, withCertificate]) vault.grant(clientId, everything)
    for (const name of ['key', 'other', 'search-key']) vault.secrets.make(name).put(`value of ${name}`, {})
  },
)
const { events, kept, open, errorOf } = here
const there = (): { tenantId: string; authorityHost: string; disableInstanceDiscovery: true } => ({
  tenantId: here.started.vault.entra.tenant,
  authorityHost: here.started.vault.address,
  disableInstanceDiscovery: true,
})
const assertion = async (claims: object = {}): Promise<string> => {
  const now = Math.floor(Date.now() / 1_000)
  return signToken({ iss: issuer, sub: federated.federated!.subject, aud: 'api://AzureADTokenExchange', iat: now, exp: now + 600, ...claims }, privateKey)
}

/** With a secret, and with what stands in place of one. */
const ways: readonly [string, () => Promise<AzureCredential> | AzureCredential][] = [
  ['a secret', () => loginOf(here.started.vault, here.started.app) as AzureCredential],
  ['a certificate', () => ({ method: 'certificate', clientId: withCertificate.clientId, certificatePath: withCertificate.file, ...there() })],
  [
    'the token of a pod',
    async () => {
      await writeFile(join(directory, 'token'), await assertion())
      return { method: 'workload-identity', clientId: federated.clientId, tokenFile: join(directory, 'token'), ...there() }
    },
  ],
  ['the token of another issuer', () => ({ method: 'assertion', clientId: federated.clientId, assertion: () => assertion(), ...there() })],
]

describe('a login', () => {
  it.each(ways)('by %s reads, is told of, and leaves nothing to be seen', async (_, credentialOf) => {
    const credential = await credentialOf()
    const before = here.started.vault.entra.given.length
    const secrets = open({ credential })
    expect(await secrets.getSecret('key')).toBe('value of key')
    await secrets.getSecret('other')
    const shown = `${inspect(secrets, { depth: 9, showHidden: true })} ${JSON.stringify(events)}`
    expect(shown).not.toMatch(/eyJ|secret-of/)
    expect(events.filter(({ type }) => type === 'login')).toEqual([expect.objectContaining({ type: 'login', provider: 'azure', outcome: 'ok' })])
    const token = here.started.vault.seen.findLast(({ isAuthenticated }) => isAuthenticated)!.headers.authorization!.replace('Bearer ', '')
    expect(secrets.redact(`with ${token}`)).toBe('with [secret azure token]')
    expect(here.started.vault.entra.given.length - before).toBeLessThanOrEqual(1)
  })

  it.each(ways)('by %s that Entra throttles is told with its time, and told of', async (_, credentialOf) => {
    const given = (await credentialOf()) as Extract<AzureCredential, { method: 'assertion' }>
    here.started.vault.spoilLogins(status(429, { 'retry-after': '30' }, '{"error":"canary"}'))
    // In another spelling, so that no token is at hand.
    const credential = { ...given, tenantId: here.started.vault.entra.tenant.toUpperCase() }
    expect(await errorOf(open({ credential }).getSecret('key'))).toMatchObject({ code: 'throttled', status: 429, retryAfter: 30_000 })
    expect(events).toContainEqual(expect.objectContaining({ type: 'login', outcome: 'throttled' }))
  })

  it('is said by the environment where no option does', async () => {
    for (const name of Object.keys(process.env).filter((one) => /^AZURE_|^IDENTITY_/.test(one))) vi.stubEnv(name, undefined)
    const { entra, address } = here.started.vault
    expect(() => azure({})).toThrow('keyward: azure.vaultUrl (AZURE_KEYVAULT_URL) is missing')
    vi.stubEnv('AZURE_KEYVAULT_URL', address)
    // Roles are printed by who need not log in.
    const nobody = await make(azure({ allowInsecureEmulator: true }))
    expect((await nobody.policy!({ agent: 'researcher', allow: ['key'], deny: [] }, context))?.text).toContain('role assignment')
    await expect(nobody.get({ id: 'key' }, context)).rejects.toThrow(/^keyward: azure\.credential is missing, and none of AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_SECRET/)
    vi.stubEnv('AZURE_CLIENT_SECRET', here.started.app.secret)
    expect(() => azure({ allowInsecureEmulator: true })).toThrow('azure.credential.tenantId (AZURE_TENANT_ID) is missing')
    vi.stubEnv('AZURE_TENANT_ID', entra.tenant)
    vi.stubEnv('AZURE_CLIENT_ID', here.started.app.clientId)
    // Who it is comes from the variables; that the authority is a private one has to be said.
    const credential = { method: 'client-secret', authorityHost: address, disableInstanceDiscovery: true } as const
    const secrets = kept(createSecrets<string>({ provider: azure({ allowInsecureEmulator: true, credential }), cache: false }))
    expect(await secrets.getSecret('key')).toBe('value of key')
  })

  it.each<[string, Readonly<Record<string, string>>]>([
    ['workload-identity', { AZURE_FEDERATED_TOKEN_FILE: '/token', AZURE_CLIENT_SECRET: 's', AZURE_CLIENT_CERTIFICATE_PATH: '/c', IDENTITY_ENDPOINT: 'http://i' }],
    ['client-secret', { AZURE_CLIENT_SECRET: 's', AZURE_CLIENT_CERTIFICATE_PATH: '/c', IDENTITY_ENDPOINT: 'http://i' }],
    ['certificate', { AZURE_CLIENT_CERTIFICATE_PATH: '/c', IDENTITY_ENDPOINT: 'http://i' }],
    ['managed-identity', { IDENTITY_ENDPOINT: 'http://i' }],
  ])('is %s where the environment says so first', (method, variables) => {
    for (const name of Object.keys(process.env).filter((one) => /^AZURE_|^IDENTITY_/.test(one))) vi.stubEnv(name, undefined)
    for (const [name, value] of Object.entries({ ...variables, AZURE_TENANT_ID: 'tenant', AZURE_CLIENT_ID: 'client' })) vi.stubEnv(name, value)
    expect(checkOptions({ vaultUrl: 'https://agents.vault.azure.net' }).credential).toMatchObject({ method, clientId: 'client' })
  })

  it('with a secret has it redacted from then on', async () => {
    const secrets = open()
    await secrets.getSecret('key')
    expect(secrets.redact(`with ${here.started.app.secret}`)).toBe('with [secret azure credential]')
  })

  it('is one for a process, however many roots there are', async () => {
    const credential = { ...(loginOf(here.started.vault, here.started.app) as Extract<AzureCredential, { method: 'client-secret' }>), tenantId: here.started.vault.entra.tenant }
    await open({ credential }).getSecret('key')
    const before = here.started.vault.entra.given.length
    await Promise.all(Array.from({ length: 5 }, () => open({ credential: { ...credential } }).getSecret('key')))
    expect(here.started.vault.entra.given.length).toBe(before)
  })

  it('may be any credential that gives tokens', async () => {
    const credential = { getToken: async () => null }
    expect(await errorOf(open({ credential }).getSecret('key'))).toMatchObject({ code: 'unauthenticated', message: expect.stringContaining('`azure.credential`') as string })
  })

  it('that is refused is told as such, by what may be wrong', async () => {
    const login = loginOf(here.started.vault, here.started.app) as Extract<AzureCredential, { method: 'client-secret' }>
    for (const credential of [
      { ...login, clientSecret: 'canary-of-a-secret' },
      { ...login, clientId: randomUUID() },
      { method: 'assertion', clientId: federated.clientId, assertion: () => assertion({ sub: 'somebody else' }), ...there() },
      { method: 'assertion', clientId: federated.clientId, assertion: async () => 'canary', ...there() },
    ] as const) {
      const error = await errorOf(open({ credential }).getSecret('key', { default: 'of the caller' }))
      expect(error).toMatchObject({ code: 'unauthenticated', message: expect.stringContaining('AZURE_TENANT_ID') as string })
      expect(events).toContainEqual(expect.objectContaining({ type: 'login', outcome: 'unauthenticated' }))
    }
  })

  it('that does not come ends with the read, and an abort ends that at once', async () => {
    const credential = { getToken: () => new Promise<never>(() => undefined) }
    const startedAt = Date.now()
    expect(await errorOf(open({ credential }, { timeout: '500ms' }).getSecret('key'))).toMatchObject({ code: 'timeout' })
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await expect(open({ credential }).getSecret('key', { signal: controller.signal })).rejects.toBe(reason)
    expect(Date.now() - startedAt).toBeLessThan(2_500)
  })

  it('where nobody answers is no refusal', async () => {
    const credential = { ...(loginOf(here.started.vault, here.started.app) as Extract<AzureCredential, { method: 'client-secret' }>), authorityHost: 'https://localhost:1' }
    expect(await errorOf(open({ credential }).getSecret('key'))).toMatchObject({ code: 'unavailable' })
  })

  it('by trying everything is warned of', async () => {
    const warnings: string[] = []
    const provider = await make(azure({ ...here.started.options, credential: { method: 'default' } }), { warnings })
    expect(warnings).toEqual([expect.stringContaining('DefaultAzureCredential') as string])
    await provider.close?.()
  })
})

describe('a challenge', () => {
  afterEach(() => {
    here.started.vault.challenge = undefined
    here.started.vault.resource = undefined
  })

  it('that asks for a token of somebody else is given none', async () => {
    const { vault } = here.started
    for (const resource of ['https://graph.microsoft.com', 'https://management.azure.com', 'https://localhost.canary.example', 'canary', 'https://azure.net']) {
      vault.challenge = `Bearer authorization="${vault.address}/${vault.entra.tenant}", resource="${resource}"`
      const before = vault.entra.given.length
      expect(await errorOf(open().getSecret('key'))).toMatchObject({ code: 'invalid-config', reason: 'challenge' })
      expect(vault.entra.given.length).toBe(before)
      expect(vault.seen.at(-1)?.isAuthenticated).toBe(false)
    }
    vault.challenge = undefined
    expect(await open().getSecret('key')).toBe('value of key')
  })

  it('of an emulator may name the service, and itself only where that is allowed', async () => {
    const { vault } = here.started
    vault.resource = 'https://vault.azure.net'
    expect(await open().getSecret('key')).toBe('value of key')
    vault.resource = undefined
    expect(await errorOf(open({ allowInsecureEmulator: false }).getSecret('key'))).toMatchObject({
      code: 'invalid-config',
      reason: 'challenge',
      message: expect.stringContaining('azure.allowInsecureEmulator') as string,
    })
  })
})

describe('an agent with an identity of its own', () => {
  const credentialOf = (agent: string): AzureOptions['credential'] => {
    const principal = agents[agent]
    return principal === undefined ? undefined : loginOf(here.started.vault, principal)
  }

  it('reads what its roles say, and is refused all else by the vault itself', async () => {
    here.started.vault.grant(agents['researcher']!.clientId, { get: ['key'] })
    const secrets = open({ agents: credentialOf })
    const scope = secrets.scope({ agent: 'researcher', allow: ['key', 'other'], enforcement: 'backend' })
    expect(await scope.getSecret('key')).toBe('value of key')
    expect(scope.enforcement).toBe('backend')
    await expect(scope.getSecret('other')).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend' })
    expect(await secrets.getSecret('other')).toBe('value of other')
    expect(here.started.vault.entra.given).toContain(agents['researcher']!.clientId)
  })

  it('is held by the process alone to what roles cannot say, or where it has none', async () => {
    here.started.vault.grant(agents['writer']!.clientId, { get: true })
    const secrets = open({ agents: credentialOf }, { references: { 'search/*': 'search-*' } })
    const scope = secrets.scope({ agent: 'writer', allow: ['search/*'] })
    expect(await scope.getSecret('search/key')).toBe('value of search-key')
    expect(scope.enforcement).toBe('process')
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning', warning: expect.stringContaining('no prefixes') as string }))
    await expect(secrets.scope({ agent: 'writer', allow: ['search/*'], enforcement: 'backend' }).getSecret('search/key')).rejects.toMatchObject({ code: 'denied' })
    const nobody = secrets.scope({ agent: 'nobody', allow: ['key'] })
    expect(await nobody.getSecret('key')).toBe('value of key')
    expect(nobody.enforcement).toBe('process')
  })

  it('reads nothing once its grant has ended, or it is closed', async () => {
    here.started.vault.grant(agents['researcher']!.clientId, { get: ['key'] })
    const provider = await make(azure({ ...here.started.options, agents: credentialOf }))
    const brief = provider.narrow!({ agent: 'researcher', allow: ['key'], deny: [], expiresAt: Date.now() + 1_000 })!.provider
    expect((await brief.get({ id: 'key' }, context)).value).toBe('value of key')
    await expect
      .poll(
        () =>
          brief.get({ id: 'key' }, context).then(
            () => 'ok',
            ({ code }: { code: string }) => code,
          ),
        { timeout: 5_000 },
      )
      .toBe('unauthenticated')
    const closed = provider.narrow!({ agent: 'researcher', allow: ['key'], deny: [] })!.provider
    await closed.close?.()
    await expect(closed.get({ id: 'key' }, context)).rejects.toMatchObject({ code: 'closed' })
    await provider.close?.()
  })

  it('has roles that keyward policy prints, and says where a vault of its own is better', async () => {
    const provider = await make(azure({ ...here.started.options, vaultUrl: 'https://agents.vault.azure.net', allowInsecureEmulator: false }))
    const text = async (allow: readonly string[], deny: readonly string[] = []): Promise<string> => (await provider.policy!({ agent: 'researcher', allow, deny }, context))!.text
    expect(await text(['key', 'other'])).toContain('az keyvault show --name "agents" --query id')
    const strange = await make(azure({ ...here.started.options, vaultUrl: 'https://$(touch).vault.azure.net', allowInsecureEmulator: false }))
    expect((await strange.policy!({ agent: 'researcher', allow: ['key'], deny: [] }, context))?.text).not.toContain('touch')
    expect((await text(['key', 'other'])).match(/role assignment create .*--scope "\$VAULT_ID\/secrets\/(?:key|other)"/g)).toHaveLength(2)
    expect(await text(['key'])).toContain('4633458b-17de-408a-b874-0445c86b69e6')
    expect(await text(['*'])).toMatch(/--scope "\$VAULT_ID"\n$/)
    for (const told of [text(['search-*']), text(['*'], ['key'])])
      await expect(told).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('A vault for each agent is the better answer') as string })
    expect(await text(Array.from({ length: 11 }, (_, number) => `key-${number}`))).toContain('A vault for each agent is the better answer')
    expect(await text([])).toContain('assign no role')
    await expect(text(['a"; rm -rf ~ #'])).rejects.toMatchObject({ code: 'unsupported' })
    await provider.close?.()
  })
})

describe('an option that is none', () => {
  it.each<[string, object]>([
    ['azure.vaultUrl (AZURE_KEYVAULT_URL) is no URL', { vaultUrl: 'agents' }],
    ['azure.vaultUrl (AZURE_KEYVAULT_URL) is not https', { vaultUrl: 'http://agents.vault.azure.net' }],
    ['azure.vaultUrl (AZURE_KEYVAULT_URL) has a path', { vaultUrl: 'https://agents.vault.azure.net/secrets/canary' }],
    ['azure.allowInsecureEmulator is for an emulator on this machine', { vaultUrl: 'https://agents.vault.azure.net', allowInsecureEmulator: true }],
    ['azure.allowInsecureEmulator is for an emulator on this machine', { vaultUrl: 'http://localhost.canary.example', allowInsecureEmulator: true }],
    ['azure.credential.method is no way to log in; did you mean "client-secret"?', { credential: { method: 'client-secrets' } }],
    ['azure.credential.clientSecret (AZURE_CLIENT_SECRET) is missing', { credential: { method: 'client-secret', tenantId: 't', clientId: 'c' } }],
    ['azure.credential.tenantId is none', { credential: { method: 'client-secret', tenantId: 'a b', clientId: 'c', clientSecret: 'canary' } }],
    [
      'azure.credential.authorityHost is not https',
      { credential: { method: 'client-secret', tenantId: 't', clientId: 'c', clientSecret: 'canary', authorityHost: 'http://localhost' } },
    ],
    ['azure.credential.resourceId stands beside `azure.credential.clientId`', { credential: { method: 'managed-identity', clientId: 'c', resourceId: 'r' } }],
    ['azure.credential.secret is not an option', { credential: { method: 'azure-cli', secret: 'canary' } }],
    ['azure.agents is not a function', { agents: {} }],
    ['azure.tags["a"] is not a string', { tags: { a: 1 } }],
    ['azure.valutUrl is not an option; did you mean "vaultUrl"?', { valutUrl: 'canary' }],
  ])('%s', (told, options) => {
    const run = (): unknown => azure({ vaultUrl: 'https://agents.vault.azure.net', credential: { method: 'azure-cli' }, ...options })
    expect(run).toThrow(`keyward: ${told}`)
    expect(run).not.toThrow(/canary/)
  })
})
