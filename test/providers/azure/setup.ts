/** Secrets over a vault on this machine, whose certificate this process trusts as it does those of the world. */
import { randomUUID } from 'node:crypto'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { AzureOptions } from '../../../providers/azure/index.js'
import { createAuthority, type Authority } from '../../servers/certificates.js'
import { KeyVault, type Permissions, type Principal } from '../../servers/key-vault/index.js'

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
