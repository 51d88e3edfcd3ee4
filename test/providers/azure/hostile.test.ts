/** What stands in the place of a vault, or of what gives out tokens, gets no value, no other token and no say; each case was once got away with. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { azure, versions, type AzureCredential, type AzureOptions, type AzureTokenCredential } from '../../../providers/azure/index.js'
import { checkOptions } from '../../../providers/azure/options.js'
import { VaultCredential } from '../../../providers/azure/session.js'
import { createSecrets, type RootSecrets, type SecretError } from '../../../src/index.js'
import { faults, status, type Fault } from '../../servers/fault-proxy.js'
import { createSetup, withVariables } from '../setup.js'
import { loginOf, startVault, useVault, type Started } from './setup.js'

const value = 'canary-value-4f9d2b7a81c6'
const here = useVault(undefined, ({ vault }) => {
  for (const name of ['key', 'held', 'other']) vault.secrets.make(name).put(value, {})
})
const { kept, open } = here
const errorOf = (promise: Promise<unknown>): Promise<SecretError> => here.errorOf(promise, value)
const bodies = (from: number): readonly string[] => here.started.vault.seen.slice(from).flatMap(({ isAuthenticated, body }) => (isAuthenticated ? [] : [body]))
const answerOf = (body: object): Fault => status(200, {}, JSON.stringify(body))

describe('a value that is put', () => {
  const elsewhere = 'Bearer authorization="https://login.microsoftonline.com/x", resource="https://graph.microsoft.com"'

  it.each<[string, () => void]>([
    ['a challenge of somebody else', () => void (here.started.vault.challenge = elsewhere)],
    ['a 503', () => here.started.vault.spoil(status(503))],
    ['a reset', () => here.started.vault.spoil(faults.reset)],
    ['a 401 without a challenge', () => here.started.vault.spoil(status(401))],
  ])('does not leave without a token after %s', async (_, spoil) => {
    const secrets = open()
    const before = here.started.vault.seen.length
    spoil()
    await errorOf(secrets.getSecret('key'))
    await Promise.allSettled(Array.from({ length: 3 }, (_unused, number) => secrets.putSecret(`first-${number}`, value)))
    here.started.vault.spoil(undefined)
    await Promise.allSettled(Array.from({ length: 3 }, (_unused, number) => secrets.putSecret(`then-${number}`, value)))
    expect(bodies(before).length).toBeGreaterThan(0)
    expect(bodies(before).filter((body) => body !== '')).toEqual([])
  })

  it('has not been put where it was answered before a token was asked for', async () => {
    here.started.vault.spoil(answerOf({ id: `${here.started.vault.address}/secrets/unasked/${'a'.repeat(32)}`, value, attributes: {} }))
    const secrets = open()
    const before = here.started.vault.seen.length
    // An emulator without logins can be read, and that lets no value out either.
    expect(await secrets.getSecret('unasked')).toBe(value)
    expect(await errorOf(secrets.putSecret('unasked', value))).toMatchObject({ code: 'unavailable' })
    expect(bodies(before)).toEqual(['', ''])
  })
})

describe('an answer', () => {
  const other = (): object => ({ id: `${here.started.vault.address}/secrets/somebody-elses/${'a'.repeat(32)}`, value: 'v', attributes: { enabled: true, created: 1_700_000_000 } })
  const spoilt = (body: object): void => here.started.vault.spoil(answerOf(body), ({ headers }) => headers.authorization !== undefined)

  it.each<[string, (secrets: RootSecrets<string>) => Promise<unknown>]>([
    ['getSecret', (secrets) => secrets.getSecret('key')],
    ['putSecret', (secrets) => secrets.putSecret('key', 'v')],
    ['deleteSecret', (secrets) => secrets.deleteSecret('key')],
  ])('about another secret is none to %s', async (_, ask) => {
    spoilt(other())
    expect(await errorOf(ask(open()))).toMatchObject({ code: 'unavailable' })
  })

  it('about another secret is none to describeSecret', async () => {
    spoilt({ value: [other()], nextLink: null })
    expect(await errorOf(open().describeSecret('key'))).toMatchObject({ code: 'unavailable' })
  })

  it.each([
    ['nbf', 9e12],
    ['exp', 9e12],
    ['enabled', 'false'],
  ])('whose %s cannot be understood serves nothing', async (member, given) => {
    spoilt({ id: `${here.started.vault.address}/secrets/key/${'a'.repeat(32)}`, value, attributes: { enabled: true, [member]: given } })
    expect(await errorOf(open().getSecret('key'))).toMatchObject({ code: 'unavailable' })
  })

  it.each([
    ['in a word of its own', '{"error":{"code":"Access.Denied","message":"canary"}}'],
    ['behind a mark of the byte order', '\uFEFF{"error":{"code":"Forbidden","message":"canary"}}'],
  ])('that denies %s ends what is held', async (_, body) => {
    const secrets = open({}, { cache: { ttl: '1ms', staleIfError: '1h' } })
    expect(await secrets.getSecret('held')).toBe(value)
    await new Promise((resolve) => setTimeout(resolve, 20))
    here.started.vault.spoil(status(403, {}, body))
    expect(await errorOf(secrets.getSecret('held'))).toMatchObject({ code: 'denied' })
  })

  it.each<[string, (vault: Started['vault']) => void]>([
    ['the vault, before its challenge', (vault) => vault.spoil(faults.endless)],
    ['the vault, to the first request that has a token', (vault) => vault.spoil(faults.endless, ({ headers }) => headers.authorization !== undefined)],
    ['what gives out tokens', (vault) => vault.spoilLogins(faults.endless)],
  ])('without end of %s is left off', async (_, spoil) => {
    const own = await startVault()
    try {
      spoil(own.vault)
      const secrets = kept(createSecrets<string>({ provider: azure(own.options), cache: false, retry: false, timeout: '5s' }))
      expect(await errorOf(secrets.getSecret('key'))).toMatchObject({ code: 'unavailable' })
    } finally {
      await own.stop()
    }
  })
})

describe('a token', () => {
  const forged = (change: object): string => {
    const now = Math.floor(Date.now() / 1_000)
    const { entra, address } = here.started.vault
    return entra.sign({ iss: entra.issuer, aud: address, appid: here.started.app.clientId, iat: now, nbf: now, exp: now + 600, ...change })
  }
  const given = (token: string): AzureTokenCredential => ({ getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) })

  it('of the issuer, for the vault, that is not over, is taken', async () => {
    expect(await open({ credential: given(forged({})) }).getSecret('key')).toBe(value)
  })

  it.each<[string, () => string]>([
    ['of another issuer', () => forged({ iss: 'https://issuer.of.somebody/else' })],
    ['for another vault', () => forged({ aud: 'https://graph.microsoft.com' })],
    ['that is over', () => forged({ exp: Math.floor(Date.now() / 1_000) - 10 })],
    ['that somebody else has signed', () => `${forged({}).split('.').slice(0, 2).join('.')}.${Buffer.alloc(256, 1).toString('base64url')}`],
    ['that is none', () => 'eyJ.eyJ.eyJ'],
  ])('%s is refused by the vault', async (_, make) => {
    expect(await errorOf(open({ credential: given(make()) }).getSecret('key'))).toMatchObject({ code: 'unauthenticated', status: 401 })
  })

  it('is asked for with the name of the own domain alone', async () => {
    const asked: string[] = []
    const credential = { getToken: async (scope: string | string[]) => (asked.push(String(scope)), { token: 'a token', expiresOnTimestamp: Date.now() + 3_600_000 }) }
    const checked = checkOptions({ vaultUrl: 'https://agents.vault.azure.net', credential })
    const tokens = new VaultCredential(checked.credential, checked, createSetup())
    const scope = 'https://vault.azure.net/.default'
    // As one that is over: what the SDK took for one that is not it would renew where nobody hears of a failure.
    const over = { token: 'a token', expiresOnTimestamp: 0 }
    expect(await Promise.all([tokens.getToken(scope), tokens.getToken(scope)])).toEqual([over, over])
    expect(await tokens.getToken(scope)).toEqual(over)
    for (const other of [
      'https://graph.microsoft.com/.default',
      'https://graph.microsoft.com@vault.azure.net/.default',
      'api://vault.azure.net/x/.default',
      'https://vault.azure.net/.default\thttps://graph.microsoft.com/.default',
      'https://azure.net/.default',
      'https://vault.azure.cn/.default',
      'https://agents.vault.azure.net/.default',
      'http://vault.azure.net/.default',
    ])
      await expect(tokens.getToken(other)).rejects.toMatchObject({ code: 'invalid-config', reason: 'challenge' })
    await expect(tokens.getToken(['https://vault.azure.net/.default', 'https://graph.microsoft.com/.default'])).rejects.toMatchObject({ reason: 'challenge' })
    expect(asked).toEqual(['https://vault.azure.net/.default'])
  })

  it('that counts no more is replaced by one that has the claims that are asked for', async () => {
    const asked: (string | undefined)[] = []
    const tokens: string[] = []
    const credential = {
      async getToken(_: unknown, options: { claims?: string } = {}) {
        asked.push(options.claims)
        tokens.push(forged({ jti: `${tokens.length}` }))
        return { token: tokens.at(-1)!, expiresOnTimestamp: Date.now() + 3_600_000 }
      },
    }
    const secrets = open({ credential })
    expect(await secrets.getSecret('key')).toBe(value)
    here.started.vault.revoked.add(tokens[0]!)
    const { address, entra } = here.started.vault
    here.started.vault.challenge = `Bearer authorization="${address}/${entra.tenant}", resource="${address}", error="insufficient_claims", claims="${Buffer.from('{"access_token":{"nbf":{}}}').toString('base64')}"`
    expect(await secrets.getSecret('key')).toBe(value)
    expect(await secrets.getSecret('other')).toBe(value)
    expect(asked).toEqual([undefined, '{"access_token":{"nbf":{}}}'])
  })

  it('that cannot be renewed is used to its end, and nobody is left with a rejection', async () => {
    const unheard: unknown[] = []
    const hear = (reason: unknown): void => void unheard.push(reason)
    process.on('unhandledRejection', hear)
    let logins = 0
    const token = forged({})
    const credential = {
      async getToken() {
        logins += 1
        if (logins === 1) return { token, expiresOnTimestamp: Date.now() + 2_500 }
        throw Object.assign(new Error('canary text of Entra'), { name: 'AuthenticationError', statusCode: 503 })
      },
    }
    const secrets = open({ credential })
    for (let reads = 0; reads < 3; reads += 1) expect(await secrets.getSecret('key')).toBe(value)
    await expect.poll(() => secrets.getSecret('key').catch((error: unknown) => error), { timeout: 5_000 }).toMatchObject({ code: 'unavailable', status: 503 })
    await secrets.close()
    const before = logins
    await new Promise((resolve) => setTimeout(resolve, 3_500))
    process.off('unhandledRejection', hear)
    expect(unheard).toEqual([])
    expect(logins).toBe(before)
  }, 20_000)

  it('is asked for once for all that wait, of whom one may leave', async () => {
    let logins = 0
    const token = forged({})
    const credential = {
      async getToken() {
        logins += 1
        await new Promise((resolve) => setTimeout(resolve, 600))
        return { token, expiresOnTimestamp: Date.now() + 3_600_000 }
      },
    }
    const secrets = open({ credential })
    const leaving = secrets.getSecret('other', { signal: AbortSignal.timeout(200) })
    const staying = secrets.getSecret('key')
    await expect(leaving).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(await staying).toBe(value)
    expect(logins).toBe(1)
  })
})

describe('a login', () => {
  it.each<[string, Fault, object]>([
    ['503', status(503, {}, '{"error":"temporarily_unavailable"}'), { code: 'unavailable' }],
    ['503 in words', status(503, {}, 'canary'), { code: 'unavailable' }],
    ['503 in other words', status(503, {}, '{"error":"canary"}'), { code: 'unavailable' }],
    ['429', status(429, { 'retry-after': '30' }, '{"error":"canary"}'), { code: 'throttled', status: 429, retryAfter: 30_000 }],
    ['429 in words', status(429, { 'retry-after': '30' }, 'canary'), { code: 'throttled', status: 429, retryAfter: 30_000 }],
    ['429 without a time', status(429, {}, '{"error":"canary"}'), { code: 'throttled', status: 429, retryAfter: undefined }],
    ['503 and a time', status(503, { 'retry-after': '30' }, '{"error":"temporarily_unavailable"}'), { code: 'unavailable', status: 503, retryAfter: 30_000 }],
    ['a page of HTML', faults.html, { code: 'unavailable' }],
    ['JSON without a token', status(200, {}, '{"token_type":"Bearer"}'), { code: 'unavailable' }],
    ['a reset', faults.reset, { code: 'unavailable' }],
    ['a redirect', status(307, { location: '/again' }), { code: 'unavailable' }],
    ['that the secret is wrong', status(401, {}, '{"error":"invalid_client","error_description":"AADSTS7000215: canary","error_codes":[7000215]}'), { code: 'unauthenticated' }],
  ])('that is answered with %s fails so, and is well again at once', async (_, fault, expected) => {
    // Each its own, so that no token of another case is at hand.
    const own = await startVault()
    try {
      own.vault.secrets.make('key').put(value, {})
      const root = kept(createSecrets<string>({ provider: azure(own.options), cache: false, retry: false }))
      own.vault.spoilLogins(fault)
      const startedAt = Date.now()
      expect(await errorOf(root.getSecret('key'))).toMatchObject(expected)
      expect(Date.now() - startedAt).toBeLessThan(2_000)
      own.vault.spoilLogins(undefined)
      // What asks for half a minute is left alone for as long; another root begins anew.
      const next = 'retryAfter' in expected && expected.retryAfter !== undefined ? kept(createSecrets<string>({ provider: azure(own.options), cache: false })) : root
      await expect.poll(() => next.getSecret('key').catch((error: unknown) => error), { timeout: 5_000 }).toBe(value)
    } finally {
      await own.stop()
    }
  })

  it('that is throttled is tried again when Entra said, where the read has the time, and else told at once', async () => {
    const own = await startVault()
    try {
      own.vault.secrets.make('key').put(value, {})
      const logins: number[] = []
      const throttle = (seconds: string): void =>
        own.vault.spoilLogins(async (request, response, answer) => {
          logins.push(Date.now())
          if (logins.length === 1) await status(429, { 'retry-after': seconds }, '{"error":"canary"}')(request, response, answer)
          else response.writeHead(200, { 'content-type': 'application/json' }).end(await answer())
        })
      throttle('60')
      const startedAt = Date.now()
      const hasted = kept(createSecrets<string>({ provider: azure(own.options), cache: false, timeout: '3s' }))
      expect(await errorOf(hasted.getSecret('key'))).toMatchObject({ code: 'throttled', retryAfter: 60_000, attempts: 1 })
      expect(Date.now() - startedAt).toBeLessThan(1_500)
      expect(logins).toHaveLength(1)
      logins.length = 0
      throttle('1')
      const patient = kept(createSecrets<string>({ provider: azure(own.options), cache: false, timeout: '5s' }))
      expect(await patient.getSecret('key')).toBe(value)
      expect(logins).toHaveLength(2)
      expect(logins[1]! - logins[0]!).toBeGreaterThanOrEqual(1_000)
    } finally {
      await own.stop()
    }
  })

  it('that is throttled while a token is at hand asks no more until Entra said', async () => {
    const own = await startVault()
    try {
      own.vault.secrets.make('key').put(value, {})
      // It is to be renewed from its first use on.
      own.vault.entra.lifetime = 60
      const root = kept(createSecrets<string>({ provider: azure(own.options), cache: false }))
      expect(await root.getSecret('key')).toBe(value)
      let asked = 0
      own.vault.spoilLogins((...parts) => ((asked += 1), status(429, { 'retry-after': '30' }, '{"error":"canary"}')(...parts)))
      for (let reads = 0; reads < 5; reads += 1) {
        expect(await root.getSecret('key')).toBe(value)
        await new Promise((resolve) => setTimeout(resolve, 60))
      }
      expect(asked).toBe(1)
    } finally {
      await own.stop()
    }
  })

  it('that fails for an outage leaves what is held to be served, attempt after attempt', async () => {
    const own = await startVault()
    try {
      own.vault.secrets.make('held').put(value, {})
      own.vault.entra.lifetime = 1
      const root = kept(createSecrets<string>({ provider: azure(own.options), cache: { ttl: '1ms', staleIfError: '1h' }, timeout: '5s' }))
      expect(await root.getSecret('held')).toBe(value)
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      own.vault.spoilLogins(status(503, {}, '{"error":"canary"}'))
      for (let reads = 0; reads < 3; reads += 1) expect(await root.getSecret('held')).toBe(value)
    } finally {
      await own.stop()
    }
  })

  it.each<[string, AzureCredential, string]>([
    [
      'whose certificate is not there',
      { method: 'certificate', tenantId: 't', clientId: 'c', certificatePath: '/not/there.pem' },
      'azure.credential.certificatePath (AZURE_CLIENT_CERTIFICATE_PATH)',
    ],
    ['whose certificate is none', { method: 'certificate', tenantId: 't', clientId: 'c', certificatePath: import.meta.filename }, 'is no certificate with its key'],
    [
      'whose token file is not there',
      { method: 'workload-identity', tenantId: 't', clientId: 'c', tokenFile: join(tmpdir(), randomUUID()) },
      'azure.credential.tokenFile (AZURE_FEDERATED_TOKEN_FILE)',
    ],
  ])('%s says which file', async (_, credential, told) => {
    expect(await errorOf(open({ credential }).getSecret('key'))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining(told) as string })
  })

  it('whose assertion throws says so, and not what', async () => {
    const credential = {
      method: 'assertion',
      tenantId: here.started.vault.entra.tenant,
      clientId: randomUUID(),
      authorityHost: here.started.vault.address,
      assertion: () => Promise.reject(new Error('canary')),
    } as const
    expect(await errorOf(open({ credential }).getSecret('key'))).toMatchObject({ code: 'unauthenticated', reason: 'assertion' })
  })

  it('by a credential of the caller fails as what it throws says, whatever that credential holds', async () => {
    const getToken = (): Promise<never> => Promise.reject(Object.assign(new Error('canary'), { name: 'AuthenticationError', statusCode: 503 }))
    const credential: AzureTokenCredential & { itself?: unknown } = { getToken }
    credential.itself = credential
    expect(await errorOf(open({ credential }).getSecret('key'))).toMatchObject({ code: 'unavailable', status: 503 })
  })

  it('takes no tenant from what answers', async () => {
    const asked: unknown[] = []
    const credential = { getToken: async (_: unknown, options?: object) => (asked.push(options), { token: 'a token', expiresOnTimestamp: Date.now() + 3_600_000 }) }
    here.started.vault.challenge = `Bearer authorization="https://login.microsoftonline.com/--debug", resource="${here.started.vault.address}"`
    await errorOf(open({ credential }).getSecret('key'))
    expect(asked).toHaveLength(1)
    expect(JSON.stringify(asked)).not.toContain('debug')
  })
})

it('an identity of the machine is asked once for each attempt', async () => {
  let requests = 0
  const own = await startVault()
  own.vault.spoilLogins((_, response) => {
    requests += 1
    response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":"canary"}')
  })
  const credential = { method: 'managed-identity', clientId: randomUUID() } as const
  try {
    await withVariables({ IDENTITY_ENDPOINT: `${own.vault.address}/msi/token`, IDENTITY_HEADER: 'header' }, async () => {
      const secrets = kept(createSecrets<string>({ provider: azure({ ...own.options, credential }), cache: false, retry: false }))
      expect(await errorOf(secrets.getSecret('key'))).toMatchObject({ code: 'unavailable' })
    })
    expect(requests).toBe(1)
  } finally {
    await own.stop()
  }
})

describe('what takes a while', () => {
  it('a deletion and a recovery have begun when they are said to have, and what comes between is told as such', async () => {
    const { secrets: all } = here.started.vault
    all.make('slow').put(value, {})
    all.settling = 400
    const secrets = open()
    const life = versions({ ...here.started.options })
    await secrets.deleteSecret('slow')
    expect(await errorOf(secrets.putSecret('slow', 'v'))).toMatchObject({ code: 'conflict', reason: 'ObjectIsBeingDeleted' })
    expect(await errorOf(secrets.getSecret('slow'))).toMatchObject({ code: 'not-found' })
    await expect
      .poll(
        () =>
          life.recover('slow').then(
            () => 'recovered',
            (error: unknown) => (error as SecretError).reason,
          ),
        { timeout: 5_000 },
      )
      .toBe('recovered')
    expect(await errorOf(secrets.putSecret('slow', 'v'))).toMatchObject({ code: 'conflict', reason: 'ObjectIsBeingRecovered' })
    await expect.poll(() => secrets.getSecret('slow').catch(() => undefined), { timeout: 5_000 }).toBe(value)
    await life.close()
  })

  it('a deletion by who may not look afterwards is done', async () => {
    const { vault, app } = here.started
    vault.secrets.make('gone').put(value, {})
    vault.grant(app.clientId, { delete: true })
    await open().deleteSecret('gone')
    expect(vault.secrets.find('gone')?.deletedAt).toBeDefined()
    vault.grant(app.clientId, { get: true, list: true, set: true, delete: true, recover: true, purge: true })
  })
})

describe('an agent', () => {
  const scopeOf = (agents: NonNullable<AzureOptions['agents']>): Promise<string> =>
    open({ agents })
      .scope({ agent: 'researcher', allow: ['key'], enforcement: 'backend' })
      .getSecret('key')

  it.each<[string, () => AzureCredential | AzureTokenCredential]>([
    ['is nobody in the table', () => ({ method: 'managed-identity', clientId: undefined }) as unknown as AzureCredential],
    ['has what the environment has', () => ({ method: 'client-secret' })],
    ['is whoever uses this machine', () => ({ method: 'azure-cli' })],
  ])('whose identity %s has none', async (_, agents) => {
    expect(await errorOf(scopeOf(agents))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('azure.agents("researcher")') as string })
  })

  it('that has the identity of the process is held by the process alone', async () => {
    const credential = loginOf(here.started.vault, here.started.app)
    expect(await errorOf(scopeOf(() => credential))).toMatchObject({ code: 'denied', reason: 'enforcement' })
  })

  it('whose function throws, or promises, is told as such, and not what it threw', async () => {
    const thrown = (): never => {
      throw new Error('canary')
    }
    expect(await errorOf(scopeOf(thrown))).toMatchObject({ code: 'invalid-config' })
    expect(await errorOf(scopeOf((async () => loginOf(here.started.vault, here.started.app)) as never))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('is a promise') as string,
    })
  })
})
