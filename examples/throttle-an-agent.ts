/** How is an agent that reads too much slowed down? */
import { createSecrets, isSecretError, SecretError } from 'keyward'

/** So many reads in each window, for each agent and secret. */
function throttle(most: number, milliseconds: number) {
  const windows = new Map<string, { since: number; reads: number }>()
  return (who: string): number => {
    const now = Date.now()
    const window = windows.get(who)
    if (window === undefined || now - window.since >= milliseconds) {
      windows.set(who, { since: now, reads: 1 })
      return 0
    }
    window.reads += 1
    return window.reads > most ? window.since + milliseconds - now : 0
  }
}
const wait = throttle(3, 60_000)

const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: { SEARCH_KEY: 'not-a-real-search-key' } },
  // Hits count too: the cache would hide from the backend what an agent does.
  authorize: ({ agent, name }) => {
    const milliseconds = wait(`${agent} ${name}`)
    if (milliseconds > 0)
      throw new SecretError({ code: 'denied', reason: 'too-many-reads', retryAfter: `${milliseconds}ms`, fix: 'Keep the value in the tool for as long as it runs' })
    return undefined
  },
})

const researcher = secrets.scope({ agent: 'researcher', allow: ['SEARCH_KEY'] })
for (let read = 1; read <= 5; read++) {
  try {
    await researcher.getSecret('SEARCH_KEY')
    console.log(`read ${read}: ok`)
  } catch (error) {
    if (!isSecretError(error, 'denied')) throw error
    console.log(`read ${read}: ${error.reason}, again in ${Math.ceil((error.retryAfter ?? 0) / 1_000)} s`)
  }
}
await secrets.close()
