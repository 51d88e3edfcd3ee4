/** How is a secret read? */
import { createSecrets } from 'keyward'

// An app says `provider: 'dotenv'` and has its .env beside package.json.
const secrets = createSecrets({ provider: { name: 'dotenv', directory: import.meta.dirname, files: ['.env.example'], processEnv: 'never' } })

const key = await secrets.getSecret('OPENAI_API_KEY')
console.log(`OPENAI_API_KEY was read: ${key.length} characters`)

// What is printed by mistake shows the name: a promise on its way, and a value that was asked for as redacted.
console.log('its promise prints as', secrets.getSecret('OPENAI_API_KEY'))
const redacted = await secrets.getSecret('OPENAI_API_KEY', { as: 'redacted' })
console.log('redacted it prints as', redacted, 'and as', JSON.stringify({ redacted }))
console.log(`reveal() gives ${redacted.reveal() === key ? 'the value' : 'something else'}`)

// `default` answers for a secret that does not exist, and for nothing else.
console.log(`LOG_LEVEL is ${await secrets.getSecret('LOG_LEVEL', { default: 'info' })}`)

await secrets.close()
