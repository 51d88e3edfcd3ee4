/** How is a key rotated without undoing what somebody else did meanwhile? */
import { createSecrets, isSecretError } from 'keyward'
import { memoryStore } from 'keyward/providers/memory'

const store = memoryStore({ 'search/api-key': 'not-a-real-key-1', database: { user: 'app', password: 'not-a-real-password-1' } })
const secrets = createSecrets<string>({ provider: store.factory, secrets: { 'search/api-key': {} }, references: { DB_PASSWORD: 'database#password' } })

for (const [provider, result] of Object.entries(await secrets.check())) console.log(`${provider}: ${result.ok ? 'has all that the config asks for' : result.error.message}`)

// Only over the version that this rotation began with. A backend without versions has none to compare with.
const { version } = await secrets.describeSecret('search/api-key')
if (version === undefined) throw new Error('this backend has no versions')
const put = await secrets.putSecret('search/api-key', 'not-a-real-key-2', { ifVersion: version })
console.log(`search/api-key: version ${version} was replaced by version ${put.version}`)

try {
  await secrets.putSecret('search/api-key', 'not-a-real-key-3', { ifVersion: version })
} catch (error) {
  if (!isSecretError(error, 'conflict')) throw error
  console.log(`search/api-key: over version ${version} once more is a ${error.code}`)
}

// The reference pins a field, so that field alone is changed.
await secrets.putSecret('DB_PASSWORD', 'not-a-real-password-2')
console.log(`database: the user is still ${await secrets.getSecret('database', { field: 'user' })}`)

for await (const { name, version } of secrets.listSecrets()) console.log(`listed: ${name}, version ${version}`)
await secrets.close()
