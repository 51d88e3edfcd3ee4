/** Connections to a server whose certificate an authority of its own signed. */
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import nodeVault from 'node-vault'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { vault, type VaultOptions } from '../../../providers/vault/index.js'
import { createSecrets, type RootSecrets } from '../../../src/index.js'
import { createAuthority, type Authority } from '../../servers/certificates.js'
import { OpenBao } from '../../servers/openbao.js'
import { sign } from '../../servers/signed-token.js'
import { closeAfterEach } from '../opened.js'

let authority: Authority
let server: OpenBao
let directory: string
const file = (name: string): string => join(directory, name)
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keyward-vault-tls-'))
  authority = await createAuthority()
  server = await OpenBao.start({ tls: await authority.issue('vault.internal') })
  await writeFile(file('ca.pem'), authority.certificate)
  await server.demand('POST', 'secret/data/key', { data: { value: 'not-a-real-key' } })
}, 60_000)
afterAll(async () => {
  await Promise.all([server.stop(), authority.close()])
  await rm(directory, { recursive: true })
})

const kept = closeAfterEach()
afterEach(() => vi.unstubAllEnvs())
function open(options: VaultOptions): RootSecrets<string> {
  return kept(createSecrets<string>({ provider: vault({ address: server.address, token: server.rootToken, ...options }), cache: false, retry: false }))
}

/** The option of `open` left out again. */
const noToken = { token: undefined as never }

describe('the certificate of the server', () => {
  it('is checked against an authority of the options or of VAULT_CACERT', async () => {
    expect(await open({ tls: { ca: authority.certificate } }).getSecret('key')).toBe('not-a-real-key')
    expect(await open({ tls: { caFile: file('ca.pem') } }).getSecret('key')).toBe('not-a-real-key')
    vi.stubEnv('VAULT_CACERT', file('ca.pem'))
    expect(await open({}).getSecret('key')).toBe('not-a-real-key')
    expect(await open({ tls: { serverName: 'vault.internal' } }).getSecret('key')).toBe('not-a-real-key')
  })

  it('is checked against each file of a directory, folders in it left aside', async () => {
    const other = await createAuthority()
    await other.close()
    const trusted = await mkdtemp(join(directory, 'trusted-'))
    await expect(open({ tls: { caPath: trusted } }).getSecret('key')).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringMatching(/vault\.tls\.caPath \(VAULT_CAPATH\).*EMPTY/) as string,
    })
    await Promise.all([mkdir(join(trusted, '..data')), writeFile(join(trusted, 'a.pem'), other.certificate), writeFile(join(trusted, 'b.pem'), authority.certificate)])
    expect(await open({ tls: { caPath: trusted } }).getSecret('key')).toBe('not-a-real-key')
    vi.stubEnv('VAULT_CAPATH', trusted)
    expect(await open({}).getSecret('key')).toBe('not-a-real-key')
    vi.stubEnv('VAULT_CACERT', file('nowhere.pem'))
    await expect(open({}).getSecret('key')).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('VAULT_CACERT') as string })
    expect(() => open({ tls: { caPath: trusted, caFile: file('ca.pem') } })).toThrow(/vault\.tls\.caPath/)
  })

  it('of an authority that nobody named is refused, and no token was sent', async () => {
    const tokens = async (): Promise<number> => (await server.audit()).filter(({ request }) => request.path.startsWith('sys/internal')).length
    const before = await tokens()
    for (const skip of [undefined, 'false', '0']) {
      if (skip !== undefined) vi.stubEnv('VAULT_SKIP_VERIFY', skip)
      // node-vault takes whatever stands there for a yes.
      if (skip !== undefined) expect(await nodeVault({ endpoint: server.address, token: server.rootToken }).read('secret/data/key')).toMatchObject({ data: {} })
      await expect(open({}).getSecret('key')).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('VAULT_CACERT') as string })
    }
    expect(await tokens()).toBe(before)
  })

  it('of another name is refused', async () => {
    await expect(open({ tls: { caFile: file('ca.pem'), serverName: 'another.internal' } }).getSecret('key')).rejects.toMatchObject({
      code: 'invalid-config',
      reason: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })

  it('is taken from VAULT_CACERT_BYTES, and its name from VAULT_TLS_SERVER_NAME', async () => {
    vi.stubEnv('VAULT_CACERT_BYTES', authority.certificate)
    expect(await open({}).getSecret('key')).toBe('not-a-real-key')
    vi.stubEnv('VAULT_TLS_SERVER_NAME', 'another.internal')
    await expect(open({}).getSecret('key')).rejects.toMatchObject({ code: 'invalid-config', reason: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    vi.stubEnv('VAULT_TLS_SERVER_NAME', 'vault.internal')
    expect(await open({}).getSecret('key')).toBe('not-a-real-key')
  })

  it('is checked, whatever the process was told of certificates', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    await expect(open({}).getSecret('key')).rejects.toMatchObject({ code: 'invalid-config' })
  })

  it('is never left unchecked', () => {
    vi.stubEnv('VAULT_SKIP_VERIFY', 'true')
    expect(() => vault({ address: server.address })).toThrow(/VAULT_SKIP_VERIFY.*VAULT_CACERT/)
  })

  it('in a file that is not there says which option names it', async () => {
    await expect(open({ tls: { caFile: file('absent.pem') } }).getSecret('key')).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('vault.tls.caFile (VAULT_CACERT)') as string,
    })
  })
})

it('one connection serves reads that follow one another', async () => {
  const secrets = open({ tls: { caFile: file('ca.pem') } })
  await secrets.getSecret('key')
  const before = (await server.audit()).length
  for (let time = 0; time < 20; time += 1) await secrets.getSecret('key')
  const ports = new Set((await server.audit()).slice(before).map(({ request }) => request.remote_port))
  expect(ports.size).toBe(1)
})

it('a client certificate logs in', async () => {
  const client = await authority.issue('agent.internal')
  await Promise.all([writeFile(file('client.pem'), client.certificate), writeFile(file('client.key'), client.key)])
  await server.putPolicy('agents', 'path "secret/data/*" { capabilities = ["read"] }')
  await server.demand('POST', 'sys/auth/cert', { type: 'cert' })
  await server.demand('POST', 'auth/cert/certs/agents', { certificate: authority.certificate, allowed_common_names: ['agent.internal'], token_policies: ['agents'] })
  const certificate = { caFile: file('ca.pem'), certFile: file('client.pem'), keyFile: file('client.key') }
  const login = { ...noToken, auth: { method: 'cert', role: 'agents' } } as const
  expect(await open({ ...login, tls: certificate }).getSecret('key')).toBe('not-a-real-key')
  vi.stubEnv('VAULT_CACERT', file('ca.pem'))
  expect(() => open(login)).toThrow('vault.tls.certFile (VAULT_CLIENT_CERT) is missing')
  const other = await authority.issue('another.internal')
  await Promise.all([writeFile(file('other.pem'), other.certificate), writeFile(file('other.key'), other.key)])
  const stranger = { caFile: file('ca.pem'), certFile: file('other.pem'), keyFile: file('other.key') }
  await expect(open({ ...login, tls: stranger }).getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'cert' })
  for (const [keyFile, told] of [
    [file('other.key'), 'vault.tls.certFile` (VAULT_CLIENT_CERT)'],
    [file('ca.pem'), 'vault.tls.key (VAULT_CLIENT_KEY) holds no private key'],
  ] as const)
    await expect(open({ ...login, tls: { ...certificate, keyFile } }).getSecret('key')).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining(told) as string,
    })
  vi.stubEnv('VAULT_CLIENT_CERT', file('client.pem'))
  expect(() => open(login)).toThrow(/VAULT_CLIENT_KEY/)
  vi.stubEnv('VAULT_CLIENT_KEY', file('client.key'))
  expect(await open(login).getSecret('key')).toBe('not-a-real-key')
})

describe('kubernetes', () => {
  it('logs in with the token of the service account, which is read at each login', async () => {
    const issued = await authority.issue('kubernetes.internal')
    // The part of Kubernetes that the server asks whether a token is one: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
    const cluster = createServer({ cert: issued.certificate, key: issued.key }, (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const review = JSON.parse(Buffer.concat(chunks).toString()) as { spec: { token: string } }
        const authenticated = request.url === '/apis/authentication.k8s.io/v1/tokenreviews' && review.spec.token === accounts.valid
        response.setHeader('content-type', 'application/json')
        const user = { username: 'system:serviceaccount:apps:agent', uid: 'an-id', groups: ['system:serviceaccounts', 'system:serviceaccounts:apps', 'system:authenticated'] }
        response.end(JSON.stringify({ ...review, status: authenticated ? { authenticated, user, audiences: ['vault'] } : { authenticated } }))
      })
    })
    const account = { aud: ['vault'], 'kubernetes.io': { namespace: 'apps', serviceaccount: { name: 'agent', uid: 'an-id' } }, sub: 'system:serviceaccount:apps:agent' }
    const accounts = { valid: sign(account), other: sign({ ...account, exp: Math.floor(Date.now() / 1_000) + 601 }) }
    cluster.listen(0, '127.0.0.1')
    await once(cluster, 'listening')
    try {
      await server.putPolicy('agents', 'path "secret/data/*" { capabilities = ["read"] }')
      await server.demand('POST', 'sys/auth/kubernetes', { type: 'kubernetes' })
      await server.demand('POST', 'auth/kubernetes/config', {
        kubernetes_host: `https://127.0.0.1:${(cluster.address() as AddressInfo).port}`,
        token_reviewer_jwt: sign({ sub: 'reviewer' }),
        disable_local_ca_jwt: true,
        kubernetes_ca_cert: authority.certificate,
      })
      await server.demand('POST', 'auth/kubernetes/role/agents', {
        bound_service_account_names: ['agent'],
        bound_service_account_namespaces: ['apps'],
        token_policies: ['agents'],
      })
      const tokenFile = file('service-account')
      await writeFile(tokenFile, accounts.other)
      const secrets = open({ ...noToken, tls: { caFile: file('ca.pem') }, auth: { method: 'kubernetes', role: 'agents', tokenFile } })
      await expect(secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'kubernetes' })
      await writeFile(tokenFile, `${accounts.valid}\n`)
      expect(await open({ ...noToken, tls: { caFile: file('ca.pem') }, auth: { method: 'kubernetes', role: 'agents', tokenFile } }).getSecret('key')).toBe('not-a-real-key')
    } finally {
      cluster.closeAllConnections()
      cluster.close()
    }
  })

  it('says where the token is looked for', async () => {
    const secrets = open({ ...noToken, tls: { caFile: file('ca.pem') }, auth: { method: 'kubernetes', role: 'agents', tokenFile: file('absent') } })
    await expect(secrets.getSecret('key')).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('vault.auth.tokenFile') as string })
  })
})
