/**
 * How does one agent read from a file, Vault, AWS and Azure, with KEYWARD_ENV as the only difference?
 *
 * In a project of your own, with Node 22.18 or later: `npm install keyward`, copy this directory, and `node agent.ts`. For the others install the client of the backend (node-vault; the SDK of AWS;
 * `@azure/keyvault-secrets` and `@azure/identity`), put the secrets where keyward.config.ts says that they are (`keyward set OPENAI_API_KEY` with KEYWARD_ENV does it), and run `KEYWARD_ENV=azure node agent.ts`.
 */
import { createHmac } from 'node:crypto'
import { isSecretError, loadSecrets } from 'keyward'

const secrets = await loadSecrets({ environment: process.env['KEYWARD_ENV'] ?? 'development', directory: import.meta.dirname })
const researcher = secrets.agent('researcher')

const { OPENAI_API_KEY: model, 'search/api-key': search } = await researcher.getSecrets(['OPENAI_API_KEY', 'search/api-key'])
// In place of requests: another key signs otherwise, and of a key that was made by chance this tells nothing.
const sign = (key: string): string => createHmac('sha256', key).update('weather in Lisbon').digest('hex').slice(0, 12)
console.log(`the researcher asks the model with a key that signs ${sign(model)}, and searches with one that signs ${sign(search)}`)

try {
  // In an app that registers its config this does not even compile.
  await researcher.getSecret('STRIPE_KEY')
} catch (error) {
  console.log(`and is refused the one for payments: ${isSecretError(error) ? error.code : 'an error'}`)
}
const { provider } = await researcher.describeSecret('OPENAI_API_KEY')
console.log(`all of it from ${provider}`)
await secrets.close()
