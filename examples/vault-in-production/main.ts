/** How does the same agent code read from a file on a laptop and from Vault in production? */
import { loadSecrets } from 'keyward'

// KEYWARD_ENV=production needs VAULT_ADDR, VAULT_ROLE_ID and VAULT_SECRET_ID, and `npm install node-vault` beside keyward.
const environment = process.env['KEYWARD_ENV'] ?? 'development'
const secrets = await loadSecrets({ environment, directory: import.meta.dirname })
const researcher = secrets.agent('researcher')

const { provider, reference } = await researcher.describeSecret('OPENAI_API_KEY')
const key = await researcher.getSecret('OPENAI_API_KEY')
console.log(`${environment}: OPENAI_API_KEY comes from ${provider}, reference ${reference} (${key.length} characters)`)
await secrets.close()
