/** Secrets over a vault on this machine, whose certificate this process trusts as it does those of the world. */
import { randomUUID } from 'node:crypto'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { azure, type AzureOptions } from '../../../providers/azure/index.js'
import { createSecrets, type AuditEvent, type RootSecrets, type SecretError, type SecretsOptions } from '../../../src/index.js'
import { createAuthority, type Authority } from '../../servers/certificates.js'
import { KeyVault, type Permissions, type Principal } from '../../servers/key-vault/index.js'
import { errorWithout } from '../faulty.js'
import { closeAfterEach } from '../opened.js'

export const everything: Permissions = { get: true, list: true, set: true, delete: true, recover: true, purge: true }

export interface Started {
  readonly vault: KeyVault
  readonly authority: Authority
  /** Who may do everything, by a secret. */
  readonly app: Principal & { readonly secret: string }
  /** How that logs in, there. */
  readonly options: AzureOptions
  stop(): Promise<void>
}

export async function startVault(others: readonly Principal[] = []): Promise<Started> {
  const authority = await createAuthority()
  const before = getCACertificates()
  setDefaultCACertificates([...before, authority.certificate])
  const app = { clientId: randomUUID(), secret: `secret-of-the-app-${randomUUID()}` }
  const vault = await KeyVault.start(authority, [app, ...others])
  vault.grant(app.clientId, everything)
  return {
    vault,
    authority,
    app,
    options: { vaultUrl: vault.address, allowInsecureEmulator: true, credential: loginOf(vault, app) },
    async stop() {
      await Promise.all([vault.stop(), authority.close()])
      setDefaultCACertificates(before)
    },
  }
}

export function loginOf({ address, entra }: KeyVault, { clientId, secret = '' }: Principal): NonNullable<AzureOptions['credential']> {
  return { method: 'client-secret', tenantId: entra.tenant, clientId, clientSecret: secret, authorityHost: address, disableInstanceDiscovery: true }
}

export interface VaultOfTests {
  readonly started: Started
  /** What the roots that were opened told of, in this test. */
  readonly events: AuditEvent[]
  /** Closed behind the test. */
  readonly kept: ReturnType<typeof closeAfterEach>
  /** Nothing is cached and nothing is tried twice, where nothing else is said. */
  open(options?: AzureOptions, more?: Partial<SecretsOptions<string>>): RootSecrets<string>
  /** What a promise is rejected with. Neither it nor an event has one of these in it, nor anything that nobody may see. */
  errorOf(promise: Promise<unknown>, ...secrets: readonly string[]): Promise<SecretError>
}

/** A vault for all tests of a file, well again behind each. */
export function useVault(others: () => readonly Principal[] = () => [], prepare: (started: Started) => Promise<void> | void = () => undefined): VaultOfTests {
  const kept = closeAfterEach()
  const events: AuditEvent[] = []
  let started: Started
  beforeAll(async () => {
    started = await startVault(others())
    await prepare(started)
  }, 60_000)
  afterEach(() => {
    started.vault.spoil(undefined)
    started.vault.spoilLogins(undefined)
    started.vault.challenge = undefined
    started.vault.secrets.settling = 0
    events.length = 0
  })
  afterAll(() => started.stop())
  return {
    get started() {
      return started
    },
    events,
    kept,
    open: (options = {}, more = {}) =>
      kept(createSecrets<string>({ provider: azure({ ...started.options, ...options }), cache: false, retry: false, audit: (event) => void events.push(event), ...more })),
    errorOf: (promise, ...secrets) => errorWithout([started.app.secret, 'canary', 'sign in to', 'eyJ', ...secrets], promise, events),
  }
}
