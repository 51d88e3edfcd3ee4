/** The vault of the tests answers what is no request of the SDK as its pages say, and never with nothing: what stands on it is worth as much. */
import { createPublicKey } from 'node:crypto'
import { request } from 'node:https'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { verifyToken } from '../../servers/key-vault/token.js'
import { useVault } from './setup.js'

const here = useVault()
let token: string
beforeAll(async () => {
  const { vault, app } = here.started
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: app.clientId, client_secret: app.secret, scope: `${vault.address}/.default` })
  const { body } = await ask('POST', `/${vault.entra.tenant}/oauth2/v2.0/token`, form.toString())
  token = (JSON.parse(body) as { access_token: string }).access_token
})
beforeEach(() => here.started.vault.secrets.clear())

/** As it stands: no client makes the path better. */
function ask(method: string, path: string, body = ''): Promise<{ status: number | undefined; body: string }> {
  const { vault, authority } = here.started
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    const sent = request(vault.address, { method, path, headers, ca: authority.certificate, agent: false, timeout: 2_000 }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode, body: Buffer.concat(chunks).toString() }))
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.on('error', reject)
    sent.end(body)
  })
}

const version = 'api-version=7.6'
const refused = { status: 400, body: expect.stringContaining('"code":"BadParameter"') as string }

it.each([
  ['GET', `/secrets/%E0%A4%A?${version}`],
  ['GET', `/secrets/%?${version}`],
  ['GET', `//elsewhere/secrets/key?${version}`],
  ['GET', '//'],
  ['GET', '/secrets/key'],
  ['GET', `/secrets?${version}&maxresults=26`],
  ['GET', `/secrets?${version}&$skiptoken=banana`],
  ['GET', `/secrets?${version}&$skiptoken=-1`],
])('%s %s is refused', async (method, path) => {
  expect(await ask(method, path)).toMatchObject(refused)
})

describe.each([
  ['PUT', (_: string) => `/secrets/key?${version}`],
  ['PATCH', (one: string) => `/secrets/key/${one}?${version}`],
])('%s', (method, pathOf) => {
  it.each([
    '',
    '{',
    'null',
    '[]',
    '"text"',
    '{"value":"v","tags":{"a":1}}',
    '{"value":"v","tags":"a"}',
    '{"value":"v","attributes":[]}',
    '{"value":"v","attributes":{"exp":"soon"}}',
    '{"value":"v","contentType":1}',
  ])('with %s is refused, and changes nothing', async (body) => {
    const secret = here.started.vault.secrets.make('key')
    const before = secret.put('value', { tags: { owner: 'search' } })
    const kept = JSON.stringify(before)
    expect(await ask(method, pathOf(before.version), body)).toMatchObject(refused)
    expect(JSON.stringify(secret.versions)).toBe(`[${kept}]`)
  })
})

it('an update names the version', async () => {
  const secret = here.started.vault.secrets.make('key')
  const only = secret.put('value', {})
  for (const path of [`/secrets/key?${version}`, `/secrets/key/?${version}`]) expect(await ask('PATCH', path, '{"tags":{"a":"b"}}')).toMatchObject(refused)
  expect(only.tags).toBeUndefined()
  expect(await ask('PATCH', `/secrets/key/${only.version}?${version}`, '{"tags":{"a":"b"}}')).toMatchObject({ status: 200 })
  expect(only.tags).toEqual({ a: 'b' })
})

it('the keys that its configuration names are there, and verify its tokens', async () => {
  const { address, entra } = here.started.vault
  const { body } = await ask('GET', `/${entra.tenant}/v2.0/.well-known/openid-configuration`)
  const { jwks_uri: uri } = JSON.parse(body) as { jwks_uri: string }
  const { status, body: found } = await ask('GET', uri.replace(address, ''))
  expect(status).toBe(200)
  const [key] = (JSON.parse(found) as { keys: { kid: string }[] }).keys
  expect((JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid).toBe(key!.kid)
  expect(key).not.toHaveProperty('d')
  expect(verifyToken(token, createPublicKey({ key: key as never, format: 'jwk' }))).toMatchObject({ aud: address, appid: here.started.app.clientId })
})
