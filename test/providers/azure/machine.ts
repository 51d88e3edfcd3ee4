/** The identities of a machine, with the real `ManagedIdentityCredential`. The SDK finds out once in a process where it runs, so each place has a file of its own. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import type { AzureCredential } from '../../../providers/azure/index.js'
import { status } from '../../servers/fault-proxy.js'
import type { Principal } from '../../servers/key-vault/index.js'
import { Machine, machineOutages, type UserAssigned } from '../../servers/key-vault/managed-identity.js'
import { everything, startVault, useVault } from './setup.js'

type Id = Omit<Extract<AzureCredential, { method: 'managed-identity' }>, 'method'>

export const ofMachine: Principal = { clientId: randomUUID(), managed: 'system-assigned' }
const userAssigned = (name: string): Principal & { readonly managed: UserAssigned } => ({
  clientId: randomUUID(),
  managed: {
    objectId: randomUUID(),
    resourceId: `/subscriptions/${randomUUID()}/resourceGroups/agents/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`,
  },
})
export const first = userAssigned('first')
export const second = userAssigned('second')

/** @param variablesOf By which a program finds the endpoint of this machine. */
export function readsWithTheIdentitiesOf(variablesOf: (address: string, header: string) => Readonly<Record<string, string>>): void {
  const { open, errorOf } = useVault()
  const header = randomUUID()
  let machine: Machine
  beforeAll(async () => {
    machine = await Machine.start()
  })
  afterAll(() => machine.stop())
  beforeEach(() => {
    for (const name of Object.keys(process.env).filter((one) => /^(?:AZURE|IDENTITY|MSI|IMDS)_/.test(one))) vi.stubEnv(name, undefined)
  })
  afterEach(() => {
    machine.fault = undefined
    machine.identities = undefined
    machine.asked = 0
    vi.unstubAllEnvs()
  })

  /** In a vault of its own, since the SDK keeps the tokens of a machine for the process: they are for another vault. */
  async function within(principals: readonly Principal[], run: (own: Awaited<ReturnType<typeof startVault>>) => Promise<void>): Promise<void> {
    const own = await startVault(principals)
    try {
      const { entra, secrets } = own.vault
      machine.identities = Object.assign(entra.machine, { header })
      for (const [name, value] of Object.entries(variablesOf(machine.address, header))) vi.stubEnv(name, value)
      for (const name of ['key', 'other']) secrets.make(name).put(`value of ${name}`, {})
      await run(own)
    } finally {
      await own.stop()
    }
  }

  it.each<[string, Id, Principal]>([
    ['that of the machine where none is named', {}, ofMachine],
    ['another by its client', { clientId: first.clientId }, first],
    ['another by its object', { objectId: second.managed.objectId }, second],
    ['another by its resource', { resourceId: first.managed.resourceId }, first],
  ])('reads with %s, and is held to its roles', (_, id, { clientId }) =>
    within([ofMachine, first, second], async ({ vault, options }) => {
      vault.grant(clientId, { get: ['key'] })
      const secrets = open({ ...options, credential: { method: 'managed-identity', ...id } })
      expect(await secrets.getSecret('key')).toBe('value of key')
      expect(await errorOf(secrets.getSecret('other'))).toMatchObject({ code: 'denied', deniedBy: 'backend', reason: 'ForbiddenByRbac' })
      expect(vault.entra.given).toEqual([clientId])
      expect(machine.asked).toBe(1)
    }),
  )

  it('is found by trying one way after another', () =>
    within([ofMachine], async ({ vault, options }) => {
      vault.grant(ofMachine.clientId, everything)
      expect(await open({ ...options, credential: { method: 'default' } }).getSecret('key')).toBe('value of key')
      expect(vault.entra.given).toEqual([ofMachine.clientId])
    }))

  it.each<[string, Id]>([
    ['client', { clientId: randomUUID() }],
    ['object', { objectId: randomUUID() }],
    ['resource', { resourceId: '/subscriptions/none' }],
  ])('finds no identity with another %s, and says so', (_, id) =>
    within([ofMachine, first], async ({ vault, options }) => {
      // No login is no not-found, which a default would stand in for.
      const read = open({ ...options, credential: { method: 'managed-identity', ...id } }).getSecret('key', { default: 'of the caller' })
      expect(await errorOf(read)).toMatchObject({
        code: 'unauthenticated',
        message: expect.stringContaining('This machine has no such managed identity: assign it one, check the ids in `azure.credential`') as string,
      })
      expect(vault.entra.given).toEqual([])
      expect(machine.asked).toBe(1)
    }),
  )

  it.each<[string, keyof typeof machineOutages, object]>([
    ['is being updated', 404, { code: 'unavailable', status: 404, message: expect.stringContaining('is being updated') as string }],
    ['is gone for a minute', 410, { code: 'unavailable', status: 410, message: expect.stringContaining('is being updated') as string }],
    ['was asked too often', 429, { code: 'throttled', status: 429, message: expect.stringContaining('The endpoint of managed identities') as string }],
    ['had no answer of Entra', 500, { code: 'unavailable', status: 500 }],
  ])('fails as that %s, is asked once, and is well again at once', (_, code, expected) =>
    within([ofMachine], async ({ vault, options }) => {
      vault.grant(ofMachine.clientId, everything)
      const secrets = open({ ...options, credential: { method: 'managed-identity' } }, { timeout: '3s' })
      machine.fault = status(code, {}, JSON.stringify(machineOutages[code].body))
      expect(await errorOf(secrets.getSecret('key'))).toMatchObject(expected)
      expect(machine.asked).toBe(1)
      machine.fault = undefined
      await expect.poll(() => secrets.getSecret('key').catch((error: unknown) => error), { timeout: 5_000 }).toBe('value of key')
    }),
  )

  it('where nothing answers that is no refusal, and is told', () =>
    within([ofMachine], async ({ options }) => {
      machine.identities = undefined
      expect(await errorOf(open({ ...options, credential: { method: 'managed-identity' } }).getSecret('key'))).toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('Nothing on this machine answers for managed identities') as string,
      })
    }))
}
