/** A vault that fails in every way: the right code, in bounded time, with no token or value anywhere, and all is well once the vault is. */
import { expect, it } from 'vitest'
import { azure } from '../../../providers/azure/index.js'
import { createSecrets, type RootSecrets, type SecretError, type SecretsOptions } from '../../../src/index.js'
import { faults, status, type Fault } from '../../servers/fault-proxy.js'
import { leavesNothingUnheard, survivesFaults, type FaultCase } from '../faulty.js'
import { startVault, useVault } from './setup.js'

const value = 'canary-value-4f9d2b7a81c6'
const here = useVault(undefined, ({ vault }) => {
  for (const name of ['key', 'held', 'other']) vault.secrets.make(name).put(value, {})
})
const { kept } = here
const open = (more: Partial<SecretsOptions<string>> = {}): RootSecrets<string> => here.open({}, { cache: {}, timeout: '2s', ...more })
const errorOf = (promise: Promise<unknown>): Promise<SecretError> => here.errorOf(promise, value)

/** As https://learn.microsoft.com/azure/key-vault/general/rest-error-codes words a failure. */
const failing = (code: number, name: string, inner?: string, headers: Readonly<Record<string, string>> = {}): Fault =>
  status(
    code,
    { 'x-ms-request-id': 'request-of-the-tests', ...headers },
    JSON.stringify({ error: { code: name, message: 'canary of the server', ...(inner === undefined ? {} : { innererror: { code: inner } }) } }),
  )

const cases: readonly FaultCase[] = [
  ['429', failing(429, 'Throttled', undefined, { 'retry-after': '7' }), { code: 'throttled', status: 429, retryAfter: 7_000, requestId: 'request-of-the-tests' }],
  ['429 of a proxy', status(429, { 'retry-after': '7' }, 'slow down'), { code: 'throttled', status: 429, retryAfter: 7_000 }],
  ['500', failing(500, 'InternalServerError'), { code: 'unavailable', status: 500 }],
  ['503', failing(503, 'ServiceUnavailable'), { code: 'unavailable', status: 503 }],
  ['503 with nothing', status(503, {}, ''), { code: 'unavailable', status: 503 }],
  ['403 by its roles', failing(403, 'Forbidden', 'ForbiddenByRbac'), { code: 'denied', reason: 'ForbiddenByRbac', deniedBy: 'backend' }],
  ...['AccessDenied', 'ForbiddenByPolicy'].map((word): FaultCase => [
    `403 by a policy (${word})`,
    failing(403, 'Forbidden', word),
    { code: 'denied', reason: word, message: expect.stringContaining('access policy') as string },
  ]),
  [
    '403 of its firewall',
    failing(403, 'Forbidden', 'ForbiddenByFirewall'),
    { code: 'denied', reason: 'ForbiddenByFirewall', message: expect.stringContaining('firewall') as string },
  ],
  ['403 of its network', failing(403, 'Forbidden', 'ForbiddenByConnection'), { code: 'denied', reason: 'ForbiddenByConnection' }],
  ['401 once more', failing(401, 'Unauthorized'), { code: 'unauthenticated', status: 401 }],
  ['400', failing(400, 'BadParameter'), { code: 'unsupported', status: 400 }],
  ['409', failing(409, 'Conflict', 'ObjectIsBeingDeleted'), { code: 'conflict', reason: 'ObjectIsBeingDeleted' }],
  ['somewhere else', status(307, { location: 'https://localhost:1/canary' }), { code: 'unavailable', reason: 'redirected' }],
  ['a page of HTML', faults.html, { code: 'unavailable', reason: 'not-json' }],
  ['a page of HTML with 403', status(403, { 'content-type': 'text/html' }, '<html>sign in to the network</html>'), { code: 'unavailable', reason: 'not-json' }],
  ['JSON of somebody else with 404', status(404, {}, '{"message":"canary"}'), { code: 'unavailable', reason: 'not-json' }],
  ['404 with nothing that calls itself JSON', status(404, {}, ''), { code: 'unavailable', reason: 'not-json' }],
  ['an error with 200', failing(200, 'BadParameter'), { code: 'unavailable', reason: 'not-json' }],
  [
    'another secret',
    async (_, response, answer) =>
      void response
        .writeHead(200, { 'content-type': 'application/json' })
        .end((await answer()).toString().replace('/secrets/key/', '/secrets/other/').replace('/secrets/held/', '/secrets/other/')),
    { code: 'unavailable' },
  ],
  ['nothing at all', status(200, {}, ''), { code: 'unavailable' }],
  ['JSON that is cut', faults.cutText, { code: 'unavailable' }],
  ['a connection that is cut', faults.cutConnection, { code: 'unavailable' }],
  ['a connection that is reset', faults.reset, { code: 'unavailable' }],
  ['without end', faults.endless, { code: 'unavailable', reason: 'too-large' }],
  ['nothing', faults.hang, { code: 'timeout' }],
  ['a byte a second', faults.slow, { code: 'timeout' }],
]

survivesFaults('a vault', cases, { value, open, spoil: (fault) => here.started.vault.spoil(fault), errorOf })

it('one call is one request, whatever it fails with', async () => {
  const secrets = open({ cache: false })
  await secrets.getSecret('key')
  for (const fault of [failing(503, 'ServiceUnavailable'), failing(429, 'Throttled', undefined, { 'retry-after': '1' }), faults.reset]) {
    await expect.poll(() => secrets.getSecret('key').catch(() => undefined), { timeout: 10_000 }).toBe(value)
    const before = here.started.vault.seen.length
    here.started.vault.spoil(fault)
    await errorOf(secrets.getSecret('key'))
    here.started.vault.spoil(undefined)
    expect(here.started.vault.seen.length - before).toBe(1)
  }
})

it('an SDK that leaves out the content type, as those before 4.11.2 did, is told of', async () => {
  here.started.vault.spoil(
    async (_, response, answer) => {
      const { contentType: _left, ...bundle } = JSON.parse((await answer()).toString()) as { contentType?: string }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(bundle))
    },
    ({ headers }) => headers.authorization !== undefined,
  )
  const put = open().putSecret('typed', new Uint8Array([1, 2, 255]))
  expect(await errorOf(put)).toMatchObject({ code: 'unsupported', reason: 'contentType', message: expect.stringContaining('4.11.2') as string })
})

it('a call that is given up leaves no rejection behind', () => leavesNothingUnheard(() => open({ cache: false })))

it('a call that is given up ends its request', async () => {
  const closed = new Promise<void>((resolve) => here.started.vault.spoil((request) => void request.socket.on('close', () => resolve())))
  const controller = new AbortController()
  const read = open({ cache: false })
    .getSecret('key', { signal: controller.signal })
    .catch(() => undefined)
  setTimeout(() => controller.abort(), 300)
  await Promise.all([read, closed])
})

it('a certificate that nobody vouches for is told as such', async () => {
  const other = await startVault()
  const { options } = other
  await other.authority.close()
  const { getCACertificates, setDefaultCACertificates } = await import('node:tls')
  const before = getCACertificates()
  setDefaultCACertificates(before.filter((one) => !one.includes(other.authority.certificate.trim().split('\n')[5]!)))
  try {
    const secrets = kept(createSecrets<string>({ provider: azure(options), retry: false }))
    expect(await errorOf(secrets.getSecret('key'))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('NODE_EXTRA_CA_CERTS') as string })
  } finally {
    setDefaultCACertificates(before)
    await other.vault.stop()
  }
})
