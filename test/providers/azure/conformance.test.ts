/** The conformance kit against a vault on this machine, which holds each principal to its roles. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe } from 'vitest'
import { azure } from '../../../providers/azure/index.js'
import type { ConformanceHarness } from '../../../src/testing/index.js'
import { faults, status } from '../../servers/fault-proxy.js'
import { conforms } from '../conforms.js'
import { everything, loginOf, startVault, type Started } from './setup.js'

const agent = { clientId: randomUUID(), secret: 'secret-of-an-agent' }
let started: Started
beforeAll(async () => {
  started = await startVault([agent])
}, 60_000)
afterAll(() => started.stop())

const failing = (code: number, name: string, headers: Readonly<Record<string, string>> = {}): ReturnType<typeof status> =>
  status(code, headers, JSON.stringify({ error: { code: name, message: 'canary of the server' } }))

async function createHarness(hasAgents: boolean): Promise<ConformanceHarness> {
  const { vault, app, options } = started
  vault.secrets.clear()
  vault.grant(app.clientId, everything)
  vault.grant(agent.clientId, { get: true })
  const put = (id: string, value: string): void => void (vault.secrets.find(id) ?? vault.secrets.make(id)).put(value, {})
  const kinds = {
    unavailable: failing(503, 'ServiceUnavailable'),
    throttled: failing(429, 'Throttled', { 'retry-after': '1' }),
    timeout: faults.hang,
    unauthenticated: failing(401, 'Unauthorized'),
  } as const
  const denied = new Set<string>()
  return {
    provider: async () => azure(hasAgents ? { ...options, agents: () => loginOf(vault, agent) } : options),
    seed: async (secrets) => {
      for (const [id, value] of Object.entries(secrets)) put(id, value)
    },
    rotate: async (id, value) => put(id, value),
    remove: async (id) => void Object.assign(vault.secrets.find(id)!, { deletedAt: Math.floor(Date.now() / 1_000) }),
    deny: async (id) => {
      denied.add(id.toLowerCase())
      const others = (): string[] =>
        vault.secrets
          .all({ areDeleted: false })
          .map(({ name }) => name)
          .filter((name) => !denied.has(name.toLowerCase()))
      vault.grant(app.clientId, { ...everything, get: others(), set: others() })
    },
    fail: async (kind) => {
      vault.spoil(kinds[kind])
      return async () => vault.spoil(undefined)
    },
    skips: {},
    close: async () => vault.spoil(undefined),
  }
}

describe.each([
  ['', false, ['narrow expiry']],
  [', with an identity for each agent,', true, []],
] as const)('Azure Key Vault%s conforms', (_, hasAgents, absent) => {
  conforms(() => createHarness(hasAgents), ['batch', 'lease', 'watch', ...absent], 60_000)
})
