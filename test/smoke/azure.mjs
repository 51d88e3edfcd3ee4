// Run by .ci/run in an app that has the packed keyward and the oldest SDKs of Azure that it takes, on the oldest Node, beside a vault (with-key-vault.ts).
import { once } from 'node:events'
import { inspect } from 'node:util'
import { createSecrets, isSecretError } from 'keyward'

const { vaultUrl, tenantId, writer, reader, assigned } = JSON.parse(process.env.SMOKE_KEY_VAULT)
const value = 'not-a-real-key'
const events = []
const shown = []
const opened = []

const loginOf = ({ clientId, secret }) => ({ method: 'client-secret', tenantId, clientId, clientSecret: secret, authorityHost: vaultUrl, disableInstanceDiscovery: true })
const open = (credential, options = {}) => {
  const provider = { name: 'azure', vaultUrl, allowInsecureEmulator: true, credential }
  const secrets = createSecrets({ provider, cache: false, retry: false, audit: (event) => events.push(event), ...options })
  opened.push(secrets)
  return secrets
}
const errorOf = async (promise) => {
  const error = await promise.then(
    () => expect(false, 'it fails'),
    (reason) => reason,
  )
  shown.push(`${inspect(error, { depth: 9, showHidden: true })} ${error.message}`)
  return error
}
// What is to fail from now on: the token endpoint of Entra, or that of this machine.
const spoil = async (wanted = {}) => {
  process.send(wanted)
  await once(process, 'message')
}

try {
  const secrets = open(loginOf(writer))
  await secrets.putSecret('search/key', value)
  await secrets.putSecret('bytes', Uint8Array.from([0, 255, 7]))
  await secrets.putSecret('stripe', value)
  expect((await secrets.getSecret('search/key')) === value, 'what was written is read')
  // The content type is what an SDK before 4.11.2 left out.
  expect((await secrets.getSecret('bytes', { as: 'bytes' })).join() === '0,255,7', 'bytes come back as bytes')
  const { version, createdAt } = await secrets.describeSecret('search/key')
  expect((await secrets.getSecret('search/key', { version })) === value && createdAt instanceof Date, 'a version is described, and read')
  const names = []
  for await (const { name } of secrets.listSecrets()) names.push(name)
  expect(names.sort().join() === 'bytes,search-key,stripe', `all are listed: ${names.join()}`)
  await secrets.deleteSecret('bytes')
  const gone = await errorOf(secrets.getSecret('bytes'))
  expect(isSecretError(gone, 'not-found') && gone.reason === 'deleted', 'what was deleted is not found, as such')

  const limited = open(loginOf(reader))
  expect((await limited.getSecret('search/key')) === value, 'another identity reads what its roles say')
  const denied = await errorOf(limited.getSecret('stripe'))
  expect(isSecretError(denied, 'denied') && denied.deniedBy === 'backend' && denied.reason === 'ForbiddenByRbac', 'and is denied the rest by the vault')
  const outside = await errorOf(secrets.scope({ agent: 'researcher', allow: ['search/*'] }).getSecret('stripe'))
  expect(isSecretError(outside, 'denied') && outside.deniedBy === 'scope', 'a scope denies what it was not granted')
  const refused = await errorOf(open(loginOf({ ...reader, secret: 'canary' })).getSecret('search/key'))
  expect(isSecretError(refused, 'unauthenticated'), 'a wrong secret is no login')

  await spoil({ login: { status: 429, headers: { 'retry-after': '30' } } })
  // Another tenant's spelling, so that no token is at hand.
  const throttled = await errorOf(open({ ...loginOf(writer), tenantId: tenantId.toUpperCase() }).getSecret('search/key'))
  expect(
    isSecretError(throttled, 'throttled') && throttled.retryAfter === 30_000 && throttled.status === 429,
    `Entra's 429 is told with its time: ${throttled.code} ${throttled.retryAfter}`,
  )

  const machine = { method: 'managed-identity' }
  await spoil({ machine: { status: 429 } })
  const busy = await errorOf(open(machine).getSecret('search/key'))
  expect(isSecretError(busy, 'throttled'), `a busy metadata service is throttled: ${busy.code}`)
  await spoil({ machine: { status: 410 } })
  const updating = await errorOf(open(machine).getSecret('search/key'))
  expect(isSecretError(updating, 'unavailable'), `one that is being updated is unavailable: ${updating.code}`)
  await spoil()
  expect((await open(machine).getSecret('search/key')) === value, 'the identity of a virtual machine reads')
  expect((await open({ ...machine, clientId: assigned.clientId }).getSecret('search/key')) === value, 'and so does another that it was given')
  expect((await open({ method: 'default' }).getSecret('search/key')) === value, 'trying one way after another finds the identity of the virtual machine')
  const unknown = await errorOf(open({ ...machine, clientId: '00000000-0000-0000-0000-000000000000' }).getSecret('search/key'))
  expect(isSecretError(unknown, 'unauthenticated'), 'one that it was not given is no login')
  // Which would be that of the machine, as this SDK has it.
  const byObject = await errorOf(open({ ...machine, objectId: assigned.managed.objectId }).getSecret('search/key'))
  expect(isSecretError(byObject, 'invalid-config'), `an SDK that knows no objectId is told of: ${byObject.code}`)

  const told = `${JSON.stringify(events)} ${shown.join(' ')}`
  for (const secret of [value, writer.secret, reader.secret, 'canary', 'eyJ'])
    expect(!told.includes(secret), 'no event and no error has a value, a secret, a token or a text of the server')
} finally {
  await Promise.all(opened.map((one) => one.close()))
  process.disconnect()
}
console.log('smoke ok')

function expect(holds, what) {
  if (!holds) throw new Error(`smoke failed: ${what}`)
}
