/** Logging in to Azure: a credential of `@azure/identity`, which is loaded when the first token is asked for. */
import { createHash } from 'node:crypto'
import { clientImportError } from '../../src/errors/client-import.js'
import { isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { ProviderSetup, SecretErrorCode } from '../../src/provider.js'
import { failure } from './failure.js'
import { domains, type AzureTokenCredential, type CheckedCredential } from './options.js'

type Identity = typeof import('@azure/identity')

/** One for each process however many ask for it, since each keeps tokens of its own: by what it is made of, of which a digest is kept. */
const made = new Map<string, Promise<AzureTokenCredential>>()

function credentialOf(checked: CheckedCredential): Promise<AzureTokenCredential> {
  if (checked.method === 'given') return Promise.resolve(checked.credential)
  if (checked.method === 'assertion') return create(checked)
  const key = createHash('sha256').update(JSON.stringify(checked)).digest('hex')
  let one = made.get(key)
  if (one === undefined) {
    made.set(key, (one = create(checked)))
    // What could not be made may be there next time.
    one.catch(() => made.delete(key))
  }
  return one
}

type Described = Exclude<CheckedCredential, { method: 'given' }>

/** By method. */
const makers: { readonly [Method in Described['method']]: (identity: Identity, checked: Extract<Described, { method: Method }>) => AzureTokenCredential } = {
  'client-secret': ({ ClientSecretCredential }, checked) => new ClientSecretCredential(checked.tenantId!, checked.clientId!, checked.clientSecret!, ofTenant(checked)),
  certificate({ ClientCertificateCredential }, checked) {
    const password = checked.certificatePassword === undefined ? {} : { certificatePassword: checked.certificatePassword }
    return new ClientCertificateCredential(checked.tenantId!, checked.clientId!, { certificatePath: checked.certificatePath!, ...password }, ofTenant(checked))
  },
  'workload-identity': ({ WorkloadIdentityCredential }, checked) =>
    new WorkloadIdentityCredential({ tenantId: checked.tenantId!, clientId: checked.clientId!, tokenFilePath: checked.tokenFile!, ...ofTenant(checked) }),
  assertion: ({ ClientAssertionCredential }, checked) => new ClientAssertionCredential(checked.tenantId!, checked.clientId!, checked.assertion, ofTenant(checked)),
  'managed-identity'({ ManagedIdentityCredential }, { method: _, ...id }) {
    // One of three ids, or none.
    return new ManagedIdentityCredential(id)
  },
  'azure-cli': ({ AzureCliCredential }, { tenantId }) => new AzureCliCredential(tenantId === undefined ? {} : { tenantId }),
  default: ({ DefaultAzureCredential }, { tenantId }) => new DefaultAzureCredential(tenantId === undefined ? {} : { tenantId }),
}

async function create(checked: Described): Promise<AzureTokenCredential> {
  const make = makers[checked.method] as (identity: Identity, checked: Described) => AzureTokenCredential
  return make(await loadIdentity(), checked)
}

function ofTenant({ authorityHost, disableInstanceDiscovery }: { authorityHost?: string; disableInstanceDiscovery?: boolean }): object {
  return {
    ...(authorityHost === undefined ? {} : { authorityHost }),
    ...(disableInstanceDiscovery === undefined ? {} : { disableInstanceDiscovery }),
    // keyward retries.
    retryOptions: { maxRetries: 0 },
  }
}

async function loadIdentity(): Promise<Identity> {
  try {
    return await import('@azure/identity')
  } catch (error) {
    throw clientImportError(error, '@azure/identity')
  }
}

/** What the client of a vault asks for tokens: for this vault alone, concealed, and told of. */
export class VaultCredential implements AzureTokenCredential {
  readonly #checked: CheckedCredential
  readonly #vault: URL
  readonly #isEmulator: boolean
  readonly #setup: ProviderSetup
  #known: string | undefined

  constructor(checked: CheckedCredential, { vaultUrl, isEmulator }: { vaultUrl: URL; isEmulator: boolean }, setup: ProviderSetup) {
    this.#checked = checked
    this.#vault = vaultUrl
    this.#isEmulator = isEmulator
    this.#setup = setup
    if (checked.method === 'client-secret' && checked.clientSecret !== undefined) setup.conceal(checked.clientSecret, 'azure credential')
    if (checked.method === 'certificate' && checked.certificatePassword !== undefined) setup.conceal(checked.certificatePassword, 'azure credential')
  }

  readonly getToken = async (scopes: string | string[], options?: { abortSignal?: AbortSignal }): Promise<{ token: string; expiresOnTimestamp: number } | null> => {
    for (const scope of [scopes].flat()) this.#demandOwn(scope)
    const { clock } = this.#setup
    const startedAt = clock.now()
    try {
      const token = await (await credentialOf(this.#checked)).getToken(scopes, options)
      if (token === null || typeof token.token !== 'string') throw new SecretError({ code: 'unauthenticated', fix: 'The credential gave no token: check `azure.credential`' })
      if (token.token !== this.#known) {
        this.#known = token.token
        this.#setup.conceal(token.token, 'azure token')
        this.#setup.login({ outcome: 'ok', duration: clock.now() - startedAt })
      }
      return token
    } catch (error) {
      if (options?.abortSignal?.aborted !== true) this.#setup.login({ outcome: codeOf(error), duration: clock.now() - startedAt })
      throw error
    }
  }

  /**
   * A vault says itself what a token has to be for, before it has shown who it is: a token for anything else would be somebody else's to use.
   * https://devblogs.microsoft.com/azure-sdk/guidance-for-applications-using-the-key-vault-libraries/
   */
  #demandOwn(scope: string): void {
    const asked = hostOf(scope)
    const { hostname } = this.#vault
    const isOwn = asked !== undefined && (hostname.endsWith(`.${asked}`) || (this.#isEmulator && (asked === hostname || domains.includes(asked))))
    if (isOwn) return
    throw new SecretError({
      code: 'invalid-config',
      reason: 'challenge',
      fix: 'What answered asks for a token that is not for this vault, and was given none: check `azure.vaultUrl` (AZURE_KEYVAULT_URL); for an emulator on this machine set `azure.allowInsecureEmulator`',
    })
  }
}

function hostOf(scope: string): string | undefined {
  try {
    return new URL(scope).hostname
  } catch {
    // No address at all.
    return undefined
  }
}

const codeOf = (error: unknown): SecretErrorCode => (isSecretError(error) ? error.code : (failure(error)?.code ?? 'unavailable'))
