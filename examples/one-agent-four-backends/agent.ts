/** How does one agent read from a file, Vault, AWS and Azure, with KEYWARD_ENV as the only difference? */
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
