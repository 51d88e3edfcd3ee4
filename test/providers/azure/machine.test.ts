/** The endpoints of managed identities in the vault of the tests answer as their pages say: what stands on them is worth as much. */
import { describe, expect, it } from 'vitest'
import { ManagedIdentities } from '../../servers/key-vault/managed-identity.js'
import { first, ofMachine, second } from './machine.js'

const issue = (): { token: string; issuedAt: number; expiresAt: number } => ({ token: 'a token', issuedAt: 1_700_000_000, expiresAt: 1_700_003_600 })
const machine = new ManagedIdentities([ofMachine, first, second], issue)
const [imds, app] = ['http://localhost/metadata/identity/oauth2/token', 'http://localhost/msi/token']
const resource = 'resource=https%3A%2F%2Fvault.azure.net'
const ask = (url: string, headers: object, of = machine): { status: number; body: unknown } => of.answer('GET', new URL(url), headers as Record<string, string>)!
const header = { 'x-identity-header': machine.header }

describe('in a virtual machine', () => {
  it('tells when a token ends, in seconds, as text', () => {
    expect(ask(`${imds}?api-version=2018-02-01&${resource}`, { metadata: 'true' })).toEqual({
      status: 200,
      body: {
        access_token: 'a token',
        refresh_token: '',
        expires_in: '3600',
        expires_on: '1700003600',
        not_before: '1700000000',
        resource: 'https://vault.azure.net',
        token_type: 'Bearer',
      },
    })
  })

  it.each<[string, string, object]>([
    ['without its header', `${imds}?api-version=2018-02-01&${resource}`, {}],
    ['with its header in another case', `${imds}?api-version=2018-02-01&${resource}`, { metadata: 'True' }],
    ['that was passed on', `${imds}?api-version=2018-02-01&${resource}`, { metadata: 'true', 'x-forwarded-for': '192.0.2.1' }],
    ['without a version', `${imds}?${resource}`, { metadata: 'true' }],
    ['with an old version', `${imds}?api-version=2017-04-02&${resource}`, { metadata: 'true' }],
    ['without a resource', `${imds}?api-version=2018-02-01`, { metadata: 'true' }],
    ['with two ids', `${imds}?api-version=2018-02-01&${resource}&client_id=${first.clientId}&object_id=${first.managed.objectId}`, { metadata: 'true' }],
  ])('refuses what comes %s', (_, url, headers) => {
    expect(ask(url, headers)).toMatchObject({ status: 400, body: { error: expect.any(String) as string } })
  })

  it('takes the one identity that is there where none is named, and of several none', () => {
    const url = `${imds}?api-version=2018-02-01&${resource}`
    expect(ask(url, { metadata: 'true' }, new ManagedIdentities([first], issue)).status).toBe(200)
    expect(ask(url, { metadata: 'true' }, new ManagedIdentities([first, second], issue)).status).toBe(400)
  })
})

describe('in App Service', () => {
  it('tells when a token ends, in seconds, as text, and whose it is', () => {
    expect(ask(`${app}?api-version=2019-08-01&${resource}`, header)).toEqual({
      status: 200,
      body: { access_token: 'a token', expires_on: '1700003600', resource: 'https://vault.azure.net', token_type: 'Bearer', client_id: ofMachine.clientId },
    })
    for (const parameter of ['principal_id', 'object_id'])
      expect(ask(`${app}?api-version=2019-08-01&${resource}&${parameter}=${second.managed.objectId}`, header).body).toMatchObject({ client_id: second.clientId })
  })

  it.each<[string, string]>([
    ['an older version', `${app}?api-version=2017-09-01&${resource}`],
    ['no version', `${app}?${resource}`],
    ['no resource', `${app}?api-version=2019-08-01`],
    ['two ids', `${app}?api-version=2019-08-01&${resource}&client_id=${first.clientId}&principal_id=${first.managed.objectId}`],
  ])('refuses what comes with %s', (_, url) => {
    expect(ask(url, header)).toMatchObject({ status: 400, body: { statusCode: 400 } })
    expect(ask(url, {})).toMatchObject({ status: 401 })
  })

  it('takes none where none is named and the machine has none of its own', () => {
    const alone = new ManagedIdentities([first], issue)
    expect(ask(`${app}?api-version=2019-08-01&${resource}`, { 'x-identity-header': alone.header }, alone).status).toBe(400)
  })
})
