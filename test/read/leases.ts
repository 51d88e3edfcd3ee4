/** What tests of leases have in common. */
import { expect, onTestFinished, vi } from 'vitest'
import { createSecrets, type AuditEvent, type RootSecrets, type Secrets, type SecretsOptions } from '../../src/index.js'
import type { Lease, SecretProvider } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable, type CallKind, type Scriptable, type ScriptableOptions } from '../providers/scriptable/index.js'
import { Script } from './scripted-provider.js'

type LeaseEvent = Extract<AuditEvent, { type: 'renew' | 'revoke' | 'refresh' }>

export interface Setup {
  secrets: RootSecrets<string>
  backend: Scriptable
  clock: FakeClock
  events: AuditEvent[]
  /** What was told of a secret beside its reads. */
  told(): LeaseEvent[]
  /** When such calls reached the backend, in milliseconds since the start. */
  times(kind: CallKind): number[]
}

export const name = 'dynamic/db'

/** A root over a backend whose leases are 60 s long, at most an hour; each get hands out another value. */
export function setUp(options: Partial<SecretsOptions> = {}, given: ScriptableOptions = {}): Setup {
  const clock = createFakeClock()
  const start = clock.now()
  const backend = createScriptable({ clock, without: ['narrow'], ...given })
  for (const id of [name, 'dynamic/other']) backend.put(id, (count) => `canary-${id}-${count}`)
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: backend.provider, clock, retry: false, audit: (event) => void events.push(event), ...options })
  const told = (): LeaseEvent[] =>
    events.filter((event): event is LeaseEvent => event.type === 'renew' || event.type === 'refresh' || (event.type === 'revoke' && event.name !== undefined))
  return { secrets, backend, clock, events, told, times: (kind) => backend.calls.filter((call) => call.kind === kind).map(({ at }) => at - start) }
}

/** Reads every so often, for so long; returns what was read, each value once. */
export async function readEvery(every: number, forLong: number, clock: FakeClock, read: () => Promise<unknown>): Promise<unknown[]> {
  const seen = new Set<unknown>()
  for (let passed = 0; passed < forLong; passed += every) {
    seen.add(await read())
    await clock.advanceAsync(every)
  }
  return [...seen]
}

export const value = (count: number, id = name): string => `canary-${id}-${count}`
export const agent = (secrets: Secrets<string>, named: string): ReturnType<typeof secrets.scope<string>> => secrets.scope<string>({ agent: named, allow: ['*'] })

/** A provider whose leases are the test's own. */
export function leasing(lease: (call: number) => Partial<Lease>, rest: Partial<SecretProvider> = {}): Script {
  const script = new Script('scripted', { revoke: async () => undefined, ...rest })
  script.answer = (_, { number }) => ({ value: `canary-${number}`, lease: { id: `lease-${number}`, duration: '60s', renewable: true, ...lease(number) } })
  return script
}

export async function rejecting(promise: Promise<unknown>, expected: object): Promise<void> {
  await expect(promise).rejects.toMatchObject(expected)
}

/** What is left to chance comes out like this, for one test: 0 is no jitter, 1 the most. */
export function withChance(random: number): void {
  vi.spyOn(Math, 'random').mockReturnValue(random)
  onTestFinished(() => void vi.restoreAllMocks())
}
export const withoutChance = (): void => withChance(0)

/** Parts that are loaded with the first call that needs them are loaded in real time: for `beforeAll`. */
export async function loadParts(): Promise<void> {
  const { secrets } = setUp()
  await secrets.useSecret(name, () => 'used')
  await secrets.describeSecret(name)
  await secrets.close()
}
