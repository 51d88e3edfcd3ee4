/** How does a person approve what an agent reads? */
import { setTimeout } from 'node:timers/promises'
import { createSecrets, isSecretError, SecretError, type Access } from 'keyward'

/** Stands for a message to a channel with two buttons. */
async function askAPerson({ agent = 'no agent', name }: Access, signal: AbortSignal): Promise<boolean> {
  console.log(`May ${agent} read ${name}?`)
  await setTimeout(20, undefined, { signal })
  return name !== 'PAYROLL_KEY'
}

const sensitive = new Set(['STRIPE_KEY', 'PAYROLL_KEY'])
/** One question for each agent and secret, however often it is read. */
const approved = new Map<string, Promise<void>>()

async function approve(access: Access, signal: AbortSignal): Promise<void> {
  // What is thrown stays here, unless it is a SecretError: its `reason` and `fix` are told.
  if (!(await askAPerson(access, signal))) throw new SecretError({ code: 'denied', reason: 'not-approved', fix: 'Ask the owner of this secret' })
}

const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: { SEARCH_KEY: 'not-a-real-search-key', STRIPE_KEY: 'not-a-real-stripe-key', PAYROLL_KEY: 'not-a-real-payroll-key' } },
  // Waiting for an answer takes nothing from `timeout`, and ends when the caller leaves or the scope is revoked.
  authorize: (access, signal) => {
    if (!sensitive.has(access.name)) return undefined
    const key = `${access.agent} ${access.name}`
    const asked = approved.get(key) ?? approve(access, signal)
    approved.set(key, asked)
    // A refusal, or a caller who left, is asked about anew.
    asked.catch(() => approved.delete(key))
    return asked
  },
})

const biller = secrets.scope({ agent: 'biller', allow: ['SEARCH_KEY', 'STRIPE_KEY', 'PAYROLL_KEY'] })
for (const name of ['SEARCH_KEY', 'STRIPE_KEY', 'STRIPE_KEY', 'PAYROLL_KEY'] as const) {
  try {
    await biller.getSecret(name)
    console.log(`biller read ${name}`)
  } catch (error) {
    if (!isSecretError(error, 'denied')) throw error
    console.log(`biller was refused ${name} by ${error.deniedBy}: ${error.reason}`)
  }
}
await secrets.close()
