/** How are several secrets read at once? */
import { createSecrets, isSecretError } from 'keyward'

const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { DATABASE_URL: 'not-a-real-url', QUEUE_URL: 'not-a-real-url-either' } } })

// All of them, or one error that names each failure.
const { DATABASE_URL, QUEUE_URL } = await secrets.getSecrets(['DATABASE_URL', 'QUEUE_URL'])
console.log(`both were read: ${DATABASE_URL.length} and ${QUEUE_URL.length} characters`)

await secrets.getSecrets(['DATABASE_URL', 'CACHE_URL', 'MAIL_URL']).catch((error: unknown) => {
  if (!isSecretError(error)) throw error
  console.log(`all or nothing: ${error.code} for ${error.errors?.map(({ secret }) => secret).join(', ')}`)
})

// With `partial` an outcome for each.
const outcomes = await secrets.getSecrets(['DATABASE_URL', 'CACHE_URL'], { partial: true })
for (const [name, outcome] of Object.entries(outcomes)) console.log(`partial: ${name} ${outcome.ok ? 'ok' : outcome.error.code}`)

await secrets.close()
