/** What is refused before anything is asked, with the option and the variable named. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { transit, vault } from '../../../providers/vault/index.js'
import { createSecrets } from '../../../src/index.js'
import { make } from '../setup.js'

beforeEach(() => {
  for (const name of Object.keys(process.env).filter((one) => /^(?:VAULT|BAO)_/.test(one))) vi.stubEnv(name, undefined)
})
afterEach(() => vi.unstubAllEnvs())

const approle = { method: 'approle', roleId: 'a-role' }
const https = { address: 'https://vault.internal:8200' }

describe('an option that is none', () => {
  it.each<[string, object]>([
    ['vault.adress is not an option; did you mean "address"', { adress: 'https://vault.internal' }],
    ['vault.address (VAULT_ADDR) is no URL', { address: 'vault.internal' }],
    ['vault.address (VAULT_ADDR) is neither https nor http', { address: 'ftp://vault.internal' }],
    ['vault.address (VAULT_ADDR) holds a user or a password', { address: 'https://agent:canary@vault.internal' }],
    ['vault.address (VAULT_ADDR) has a path', { address: 'https://vault.internal/v1' }],
    ['vault.namespace (VAULT_NAMESPACE) has a character', { namespace: 'team\nx' }],
    ['vault.mount is no path', { mount: 'a//b' }],
    ['vault.mount is no path', { mount: '..' }],
    ['vault.auth stands beside `vault.token`', { token: 'canary', auth: approle }],
    ['vault.auth.method is no method of this version; expected one of token, approle', { auth: {} }],
    ['vault.auth.method is no method of this version; did you mean "approle"', { auth: { method: 'aprole' } }],
    ['vault.auth.mount begins with "auth/"', { auth: { ...approle, mount: 'auth/approle' } }],
    ['vault.auth.secretIdFile stands beside `vault.auth.secretId`', { auth: { ...approle, secretId: 'canary', secretIdFile: 'file' } }],
    ['vault.auth.wrappedSecretId stands beside `vault.auth.secretId`', { auth: { ...approle, secretId: 'canary', wrappedSecretId: 'canary' } }],
    ['vault.auth.roleId is missing; expected `vault.auth.roleId` or `vault.auth.roleIdFile`', { auth: { method: 'approle' } }],
    ['vault.auth.role is missing; expected what the method "kubernetes" logs in as', { auth: { method: 'kubernetes' } }],
    ['vault.auth.password is missing', { auth: { method: 'userpass', username: 'agent' } }],
    ['vault.auth.username is no path', { auth: { method: 'userpass', username: '..', password: 'canary' } }],
    ['vault.address (VAULT_ADDR) is not https, and `vault.auth` logs in with a certificate', { address: 'http://vault.internal', auth: { method: 'cert' } }],
    ['vault.tls.certFile (VAULT_CLIENT_CERT) is missing', { ...https, auth: { method: 'cert' } }],
    ['vault.tls.cert is missing beside the key', { tls: { key: 'canary' } }],
    ['vault.tls.key is missing beside the certificate', { tls: { certFile: 'file' } }],
    ['vault.tls.caFile stands beside `vault.tls.ca`', { tls: { ca: 'text', caFile: 'file' } }],
    ['vault.parameters.a/../b is no path', { parameters: { 'a/../b': {} } }],
    ['vault.parameters.pki/issue/web.names is no text, number or boolean', { parameters: { 'pki/issue/web': { names: [] } } }],
    ['vault.agents.tokenRole is not a string', { agents: {} }],
    ['vault.agents.tokenRole is no path', { agents: { tokenRole: '..' } }],
    ['vault.agents.policy is the same for all agents', { agents: { tokenRole: 'agents', policy: 'keyward' } }],
    ['vault.agents.policy holds "{agnet}"', { agents: { tokenRole: 'agents', policy: 'keyward-{agnet}' } }],
    ['vault.agents.ttl is a bare number', { agents: { tokenRole: 'agents', ttl: 60 } }],
    ['vault.agents.uses is too small; expected a whole number of at least 1', { agents: { tokenRole: 'agents', uses: 0 } }],
    ['vault.agents.uses is not a whole number', { agents: { tokenRole: 'agents', uses: '3' } }],
    ['vault.client has no `request`', { client: {} }],
  ])('%s', (told, options) => {
    const run = (): unknown => vault(options)
    expect(run).toThrow(`keyward: ${told}`)
    expect(run).not.toThrow(/canary/)
  })

  it.each<[string, object]>([
    ['transit.key is no path', { key: '..' }],
    ['transit.mount is no path', { key: 'agents', mount: 'a/../b' }],
    ['transit.agent has half of a surrogate pair', { key: 'agents', agent: '\uD800' }],
    ['transit.timeout is a bare number', { key: 'agents', timeout: 5 }],
  ])('%s', (told, options) => {
    expect(() => transit(options as { key: string })).toThrow(`keyward: ${told}`)
  })
})

describe('a variable', () => {
  it.each([
    ['BAO_ADDR', 'vault.address (BAO_ADDR) is no URL'],
    ['VAULT_ADDR', 'vault.address (VAULT_ADDR) is no URL'],
    ['VAULT_AGENT_ADDR', 'vault.address (VAULT_AGENT_ADDR) is no URL'],
    ['VAULT_NAMESPACE', 'vault.namespace (VAULT_NAMESPACE) has a character'],
    ['VAULT_SKIP_VERIFY', 'VAULT_SKIP_VERIFY asks for connections'],
    ['VAULT_CLIENT_CERT', 'VAULT_CLIENT_CERT is set without VAULT_CLIENT_KEY'],
    ['VAULT_CLIENT_KEY', 'VAULT_CLIENT_KEY is set without VAULT_CLIENT_CERT'],
  ])('%s that is none is named', (name, told) => {
    vi.stubEnv(name, 'two words')
    expect(() => vault()).toThrow(told)
  })
})

it('an http address of another machine is warned of', async () => {
  const warned = async (address: string): Promise<readonly string[]> => {
    const warnings: string[] = []
    await make(vault({ address, token: 'not-a-real-token' }), { warnings })
    return warnings
  }
  expect(await warned('http://vault.internal:8200')).toEqual([expect.stringContaining('vault.address is http')])
  for (const address of ['http://127.0.0.1:8200', 'http://localhost:8200', 'http://[::1]:8200', 'https://vault.internal']) expect(await warned(address)).toEqual([])
})

it('a certificate that is none is refused before anything is asked', async () => {
  const secrets = createSecrets<string>({ provider: vault({ ...https, token: 'not-a-real-token', tls: { ca: '-----BEGIN PRIVATE KEY-----canary' } }) })
  await expect(secrets.getSecret('key')).rejects.toThrow('vault.tls.ca (VAULT_CACERT) holds no certificate')
  await secrets.close()
})
