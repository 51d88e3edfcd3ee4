// Run by .ci/run in an app that has the packed keyward installed, on each runtime that the package is published for.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { createSecrets, isSecretError } from 'keyward'
import { bindScope, getSecret } from 'keyward/agents'

const directory = mkdtempSync(join(tmpdir(), 'keyward-smoke-'))
writeFileSync(join(directory, '.env'), 'SEARCH_KEY="not-a-real-key"\nSTRIPE_KEY=not-a-real-key-either\n', { mode: 0o600 })

const events = []
const secrets = createSecrets({ provider: { name: 'dotenv', directory, processEnv: 'never' }, audit: (event) => events.push(event) })
const researcher = secrets.scope({ agent: 'researcher', allow: ['SEARCH_KEY'] })
try {
  expect((await researcher.getSecret('SEARCH_KEY')) === 'not-a-real-key', 'a granted read gives the value')
  expect(inspect(researcher.getSecret('SEARCH_KEY')) === '[secret SEARCH_KEY]', 'a promise prints the name')
  const denied = await researcher.getSecret('STRIPE_KEY').catch((error) => error)
  expect(isSecretError(denied, 'denied') && denied.deniedBy === 'scope', 'a name outside the scope is denied')
  const missing = await secrets.getSecret('NOWHERE').catch((error) => error)
  expect(isSecretError(missing, 'not-found'), 'a missing name is not-found')
  const lost = await getSecret('SEARCH_KEY').catch((error) => error)
  expect(isSecretError(lost, 'denied') && lost.reason === 'outside-tools', 'getSecret of keyward/agents is denied outside of tools')
  const forTools = createSecrets({ provider: { name: 'dotenv', directory, processEnv: 'never' }, outsideTools: 'deny' })
  const bound = bindScope(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1))
    return await forTools.getSecret('SEARCH_KEY')
  })
  expect((await bound()) === 'not-a-real-key', 'what is bound reads, also after a timer')
  const unbound = await forTools.getSecret('SEARCH_KEY').catch((error) => error)
  expect(isSecretError(unbound, 'denied') && unbound.reason === 'outside-tools', 'a read outside of tools is denied where the app says so')
  await forTools.close()
  const outcomes = events.filter(({ type }) => type === 'read').map(({ cache = '-', outcome }) => `${cache} ${outcome}`)
  expect(outcomes.join(', ') === 'miss ok, hit ok, - denied, miss not-found', `each read is told: ${outcomes.join(', ')}`)
  expect(!JSON.stringify(events).includes('not-a-real-key'), 'no event has a value')
} finally {
  await secrets.close()
  rmSync(directory, { recursive: true })
}
console.log('smoke ok')

function expect(holds, what) {
  if (!holds) throw new Error(`smoke failed: ${what}`)
}
