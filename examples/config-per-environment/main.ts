/** How does the same agent code read from another place in each environment? */
import { loadSecrets } from 'keyward'

// What a platform would set for production.
process.env['OPENAI_API_KEY'] = 'not-a-real-production-key'
process.env['SEARCH_SERVICE_KEY'] = 'not-a-real-production-search-key'

// An app calls `loadSecrets()`: KEYWARD_ENV says which environment, and keyward.config.ts is found from the working directory.
for (const environment of ['development', 'production']) {
  const secrets = await loadSecrets({ environment, directory: import.meta.dirname })
  const researcher = secrets.agent('researcher')
  const { provider, reference } = await researcher.describeSecret('search/api-key')
  const value = await researcher.getSecret('search/api-key')
  console.log(`${environment}: search/api-key comes from ${provider}, reference ${reference} (${value.length} characters)`)
  await secrets.close()
}
