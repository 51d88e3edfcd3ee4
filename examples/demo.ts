/** What does keyward do, on a .env file? Works in a folder of its own, and prints no value. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecrets, isSecretError, type AuditEvent } from 'keyward'
import { SecretError, type ProviderFactory } from 'keyward/provider'
import { dotenv } from 'keyward/providers/dotenv'

const directory = await mkdtemp(join(tmpdir(), 'keyward-demo-'))
const saveKey = (key: string): Promise<void> => writeFile(join(directory, '.env'), `SEARCH_KEY=${key}\nSTRIPE_KEY=not-a-real-stripe-key\n`, { mode: 0o600 })
await saveKey('not-a-real-search-key-1')

// dotenv, with a switch in front of it: a file has no outages, and this one is to have one.
let isDown = false
let calls = 0
const provider: ProviderFactory = async (setup) => {
  const files = await dotenv({ directory, processEnv: 'never' })(setup)
  return {
    ...files,
    async get(request, context) {
      calls += 1
      if (isDown) throw new SecretError({ code: 'unavailable' })
      return files.get(request, context)
    },
  }
}

/** A service that takes one key alone. */
let accepted = 'not-a-real-search-key-1'
function search(key: string): string {
  if (key !== accepted) throw Object.assign(new Error('unauthorized'), { status: 401 })
  return 'accepted'
}

const events: AuditEvent[] = []
const secrets = createSecrets<string>({ provider, audit: (event) => void events.push(event) })
const researcher = secrets.scope({ agent: 'researcher', allow: ['SEARCH_KEY'] })

try {
  say('A granted read')
  const key = await researcher.getSecret('SEARCH_KEY')
  tell(`researcher read SEARCH_KEY: ${key.length} characters, and the service says: ${search(key)}`)
  await researcher.getSecret('SEARCH_KEY')
  tell(`a second read came from memory: ${calls} call of the provider for both`)

  say('A denied read')
  const callsBefore = calls
  // @ts-expect-error STRIPE_KEY is not in `allow`, so this does not compile. It is refused at run time as well.
  await researcher.getSecret('STRIPE_KEY').catch((error: unknown) => {
    if (!isSecretError(error, 'denied')) throw error
    tell(`researcher asked for STRIPE_KEY: ${error.code} by the ${error.deniedBy}, after ${calls - callsBefore} calls of the provider`)
  })

  say('A rotation')
  accepted = 'not-a-real-search-key-2'
  await saveKey(accepted)
  tell('.env has a new key, and the service takes the old one no more')
  let attempts = 0
  const answer = await researcher.useSecret('SEARCH_KEY', (value) => {
    attempts += 1
    return search(value)
  })
  tell(`useSecret: the service answered 401 to the cached key; read anew, attempt ${attempts} was ${answer}`)

  say('An outage')
  isDown = true
  // As if `ttl` were over: what is held is old from here on.
  secrets.invalidate('SEARCH_KEY')
  const copy = await researcher.getSecret('SEARCH_KEY')
  const { held } = await researcher.describeSecret('SEARCH_KEY')
  tell(`the backend is down and the cached copy is old: the read was answered all the same (${search(copy)}, served stale: ${held?.servedStale})`)
  isDown = false
  // A provider that failed is left alone for a second.
  await sleep(1_200)
  search(await researcher.getSecret('SEARCH_KEY'))
  const last = events.at(-1)
  tell(`the backend is back: the next read was a ${last?.type === 'read' ? last.cache : 'mystery'} again`)

  say('What the audit was told')
  tell(
    ['type', 'name', 'agent', 'cache', 'outcome']
      .map((column) => column.padEnd(12))
      .join('')
      .trimEnd(),
  )
  for (const event of events) tell(line(event))
} finally {
  await secrets.close()
  await rm(directory, { recursive: true })
}

function say(heading: string): void {
  console.log(`\n${heading}`)
}
function tell(text: string): void {
  console.log(`  ${text}`)
}
function line(event: AuditEvent): string {
  const columns = [
    event.type,
    'name' in event ? event.name : undefined,
    event.agent,
    event.type === 'read' ? event.cache : undefined,
    'outcome' in event ? event.outcome : undefined,
    'deniedBy' in event ? `by ${event.deniedBy}` : '',
  ]
  return columns
    .map((column) => (column ?? '-').padEnd(12))
    .join('')
    .trimEnd()
}
