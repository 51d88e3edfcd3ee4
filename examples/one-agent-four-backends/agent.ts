/**
 * How does one agent read from a file, Vault, AWS and Azure, with KEYWARD_ENV as the only difference?
 *
 * In a project of your own, with Node 22.18 or later: `npm install keyward`, copy this directory, and `node agent.ts`. For the others install the client of the backend (node-vault; the SDK of AWS;
 * `@azure/keyvault-secrets` and `@azure/identity`), put the secrets where keyward.config.ts says that they are (`keyward set OPENAI_API_KEY` with KEYWARD_ENV does it), and run `KEYWARD_ENV=azure node agent.ts`.
 */
import { isSecretError, loadSecrets } from 'keyward'

const secrets = await loadSecrets({ environment: process.env['KEYWARD_ENV'] ?? 'development', directory: import.meta.dirname })
const researcher = secrets.agent('researcher')

const { OPENAI_API_KEY: model, 'search/api-key': search } = await researcher.getSecrets(['OPENAI_API_KEY', 'search/api-key'])
console.log(`the researcher has a key of ${model.length} characters for the model, and one of ${search.length} to search with`)

try {
  // In an app that registers its config this does not even compile.
  await researcher.getSecret('STRIPE_KEY')
} catch (error) {
  console.log(`and is refused the one for payments: ${isSecretError(error) ? error.code : 'an error'}`)
}
await secrets.close()
