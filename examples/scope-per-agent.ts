/** How does an agent get its own secrets and no others? */
import { createSecrets, isSecretError } from 'keyward'

const secrets = createSecrets<string>({
  provider: {
    name: 'memory',
    secrets: {
      OPENAI_API_KEY: 'not-a-real-openai-key',
      'search/primary': 'not-a-real-search-key',
      'search/billing': 'not-a-real-billing-key',
      STRIPE_KEY: 'not-a-real-stripe-key',
    },
  },
})

// The root reads everything, so it stays here; the agent is handed a scope.
const researcher = secrets.scope({ agent: 'researcher', allow: ['OPENAI_API_KEY', 'search/*'], deny: ['search/billing'], expiresIn: '15m' })
console.log(`researcher reads search/primary: ${(await researcher.getSecret('search/primary')).length} characters`)

// @ts-expect-error STRIPE_KEY is not in `allow`, so this does not compile. Here it runs all the same:
await researcher.getSecret('STRIPE_KEY').catch(report)
await researcher.getSecret('search/billing').catch(report)

// A scope of a scope only narrows: this one reads one name, twice.
const tool = researcher.scope({ tool: 'web-search', allow: ['search/primary'], maxReads: 2 })
await tool.getSecret('search/primary')
await tool.getSecret('search/primary')
await tool.getSecret('search/primary').catch(report)

// What was made from a scope ends with it.
await researcher.revoke()
await tool.getSecret('search/primary').catch(report)
await secrets.close()

function report(error: unknown): void {
  if (!isSecretError(error, 'denied')) throw error
  console.log(`${error.secret} for ${error.tool ?? error.agent}: denied by ${error.deniedBy} [${error.reason}]`)
}
