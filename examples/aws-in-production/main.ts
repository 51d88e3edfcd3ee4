/** How does the same agent code read from a file on a laptop and from AWS in production, where AWS itself refuses each agent what is another's? */
import { loadSecrets } from 'keyward'

// KEYWARD_ENV=production needs AWS_REGION, credentials that may assume the role of AGENTS_ROLE_ARN,
// and `npm install @aws-sdk/client-secrets-manager @aws-sdk/client-sts` beside keyward.
const environment = process.env['KEYWARD_ENV'] ?? 'development'
const secrets = await loadSecrets({ environment, directory: import.meta.dirname })

for (const [agent, name] of [
  ['researcher', 'OPENAI_API_KEY'],
  ['billing', 'STRIPE_KEY'],
] as const) {
  const own = secrets.agent(agent)
  const key = await own.getSecret(name)
  const { provider, reference } = await own.describeSecret(name)
  console.log(`${environment}: ${agent} reads ${name} from ${provider}, reference ${reference} (${key.length} characters), held to it by the ${own.enforcement}`)
}
await secrets.close()
