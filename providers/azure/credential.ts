/** Logging in to Azure: a credential of `@azure/identity`, which is loaded when the first token is asked for. */
import { createHash } from 'node:crypto'
import { clientImportError } from '../../src/errors/client-import.js'
import { invalidConfig, SecretError } from '../../src/errors/secret-error.js'
import type { AzureTokenCredential, CheckedCredential } from './options.js'
import { answeredBefore } from './login-failure.js'
import { LoginPolicy, userAgentOptions } from './pipeline.js'

type Identity = typeof import('@azure/identity')

/** One for each process however many ask for it, since each keeps tokens of its own: by what it is made of, of which a digest is kept. */
const made = new Map<string, Promise<AzureTokenCredential>>()
const madeOfFunctions = new WeakMap<CheckedCredential, Promise<AzureTokenCredential>>()

export function credentialOf(checked: CheckedCredential): Promise<AzureTokenCredential> {
  if (checked.method === 'given') return Promise.resolve(checked.credential)
  if (checked.method === 'missing') return Promise.reject(checked.error)
  // A function has no digest: it is one for each provider.
  if (checked.method === 'assertion') return keep(madeOfFunctions, checked, checked)
  return keep(made, digestOf(checked), checked)
}

/** MSAL remembers that Entra failed, and answers by itself for minutes after that is over: the next login is to ask again. */
export function forget(checked: CheckedCredential): void {
  if (checked.method === 'assertion') madeOfFunctions.delete(checked)
  else if (checked.method !== 'given' && checked.method !== 'missing') made.delete(digestOf(checked))
}

const digestOf = (checked: Described): string => createHash('sha256').update(JSON.stringify(checked)).digest('hex')

interface Keeper<Key> {
  get(key: Key): Promise<AzureTokenCredential> | undefined
  set(key: Key, made: Promise<AzureTokenCredential>): unknown
  delete(key: Key): unknown
}

function keep<Key>(keeper: Keeper<Key>, key: Key, checked: Described): Promise<AzureTokenCredential> {
  let one = keeper.get(key)
  if (one === undefined) {
    keeper.set(key, (one = create(checked)))
    // What could not be made may be there next time.
    one.catch(() => keeper.delete(key))
  }
  return one
}

type Described = Exclude<CheckedCredential, { method: 'given' | 'missing' }>

/** keyward retries, no redirect is followed, and what answers says no more than a token. */
const carefulWith = (policy: LoginPolicy): Careful => ({
  userAgentOptions,
  retryOptions: { maxRetries: 0 },
  redirectOptions: { maxRetries: 0 },
  additionalPolicies: [{ policy, position: 'perRetry' }],
})

interface Careful {
  readonly userAgentOptions: typeof userAgentOptions
  readonly retryOptions: { readonly maxRetries: 0 }
  readonly redirectOptions: { readonly maxRetries: 0 }
  readonly additionalPolicies: { readonly policy: LoginPolicy; readonly position: 'perRetry' }[]
}

/** By method. */
const makers: { readonly [Method in Described['method']]: (identity: Identity, checked: Extract<Described, { method: Method }>, careful: Careful) => AzureTokenCredential } = {
  'client-secret': ({ ClientSecretCredential }, checked, careful) =>
    new ClientSecretCredential(checked.tenantId!, checked.clientId!, checked.clientSecret!, ofTenant(checked, careful)),
  certificate({ ClientCertificateCredential }, checked, careful) {
    const password = checked.certificatePassword === undefined ? {} : { certificatePassword: checked.certificatePassword }
    return new ClientCertificateCredential(checked.tenantId!, checked.clientId!, { certificatePath: checked.certificatePath!, ...password }, ofTenant(checked, careful))
  },
  'workload-identity': ({ WorkloadIdentityCredential }, checked, careful) =>
    new WorkloadIdentityCredential({ tenantId: checked.tenantId!, clientId: checked.clientId!, tokenFilePath: checked.tokenFile!, ...ofTenant(checked, careful) }),
  assertion({ ClientAssertionCredential }, checked, careful) {
    // What the function throws the SDK tells as a login that was refused.
    let own: SecretError | undefined
    const assertion = async (): Promise<string> => {
      own = undefined
      const token: unknown = await Promise.resolve()
        .then(() => checked.assertion())
        .catch(() => undefined)
      if (typeof token === 'string' && token !== '') return token
      throw (own = new SecretError({ code: 'unauthenticated', reason: 'assertion', fix: 'The function `assertion` of `azure.credential` threw, or gave no text' }))
    }
    const credential = new ClientAssertionCredential(checked.tenantId!, checked.clientId!, assertion, ofTenant(checked, careful))
    return {
      getToken: (scopes, options) =>
        credential.getToken(scopes, options).catch((error: unknown) => {
          throw own ?? error
        }),
    }
  },
  'managed-identity'({ ManagedIdentityCredential }, { method: _, ...id }, careful) {
    // One of three ids, or none.
    if (id.objectId !== undefined) demandObjects(ManagedIdentityCredential)
    return asking(new ManagedIdentityCredential({ ...id, ...careful }))
  },
  'azure-cli': ({ AzureCliCredential }, { tenantId }, careful) => new AzureCliCredential({ ...(tenantId === undefined ? {} : { tenantId }), ...careful }),
  default: ({ DefaultAzureCredential }, { tenantId }, careful) => asking(new DefaultAzureCredential({ ...(tenantId === undefined ? {} : { tenantId }), ...careful })),
}

/**
 * Before 4.5 the SDK knows no `objectId`, and logs in as the machine itself: as somebody else.
 * @throws SecretError `invalid-config` where it is one of these: of those that know it, none takes two ids.
 */
function demandObjects(Credential: Identity['ManagedIdentityCredential']): void {
  try {
    new Credential({ clientId: 'one', objectId: 'another' } as never)
  } catch {
    return
  }
  throw invalidConfig('azure.credential.objectId', 'is not known to this version of @azure/identity', '4.5.0 or later, or the identity by its `clientId`')
}

/** Before 4.5 the SDK counts its first request to a virtual machine as a retry, and so makes none where it is to make no retry. */
function asking<Credential extends object>(credential: Credential): Credential {
  const { implProvider, _sources: tried = [] } = credential as { implProvider?: { msiRetryConfig?: { maxRetries?: unknown } }; _sources?: readonly object[] }
  const { msiRetryConfig } = implProvider ?? {}
  // Behind a 404 it waits although it asks no more.
  if (msiRetryConfig?.maxRetries === 0) Object.assign(msiRetryConfig, { maxRetries: 1, startDelayInMs: 0 })
  for (const one of tried) asking(one)
  return credential
}

async function create(checked: Described): Promise<AzureTokenCredential> {
  const make = makers[checked.method] as (identity: Identity, checked: Described, careful: Careful) => AzureTokenCredential
  const policy = new LoginPolicy()
  const credential = make(await loadIdentity(), checked, carefulWith(policy))
  return {
    async getToken(scopes, options) {
      const before = policy.last
      try {
        return await credential.getToken(scopes, options)
      } catch (error) {
        // One that came before this login began is of another.
        if (policy.last !== undefined && policy.last !== before) answeredBefore(error, policy.last)
        throw error
      }
    },
  }
}

function ofTenant({ authorityHost, disableInstanceDiscovery }: { authorityHost?: string; disableInstanceDiscovery?: boolean }, careful: Careful): object {
  return {
    ...(authorityHost === undefined ? {} : { authorityHost }),
    ...(disableInstanceDiscovery === undefined ? {} : { disableInstanceDiscovery }),
    ...careful,
  }
}

async function loadIdentity(): Promise<Identity> {
  try {
    return await import('@azure/identity')
  } catch (error) {
    throw clientImportError(error, '@azure/identity')
  }
}
