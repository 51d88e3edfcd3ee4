/** How is nothing read that the audit did not get? */
import { createSecrets, isSecretError, type Access } from 'keyward'

/** Stands for a log on another machine, which is down for a while. */
const log = { isUp: true, lines: [] as string[] }
async function write(line: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (!log.isUp) throw new Error('the log does not answer')
  log.lines.push(line)
}

const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: { STRIPE_KEY: 'not-a-real-stripe-key' } },
  // A sink of `audit` never fails a read. What `authorize` waits for does: before the value is handed over, a line about it is written.
  authorize: (access: Access, signal) => write(`${access.agent ?? 'the app'} reads ${access.name}`, signal),
})

const biller = secrets.scope({ agent: 'biller', allow: ['STRIPE_KEY'] })
await biller.getSecret('STRIPE_KEY')
log.isUp = false
// The value is in memory, and is not handed over.
await biller.getSecret('STRIPE_KEY').catch((error: unknown) => {
  if (!isSecretError(error, 'denied')) throw error
  console.log(`while the log is down: ${error.code}, by ${error.deniedBy}`)
})
log.isUp = true
await biller.getSecret('STRIPE_KEY')
console.log(log.lines.join('\n'))
await secrets.close()
