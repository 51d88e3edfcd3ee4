/** What backends have to be told so that they hold an agent to its grant, for people who apply it. */
import { createError, isSecretError, type SecretError } from '../errors/secret-error.js'
import { Call } from './call.js'
import type { ProviderInstance } from './instance.js'
import { requireView } from './require-view.js'
import type { Secrets } from './types.js'
import type { View } from './view.js'

export interface BackendPolicy {
  readonly provider: string
  /** Undefined: this backend has no policies that keyward could write. */
  readonly policy?: { readonly name: string; readonly text: string } | undefined
  /** False: the backend cannot say less than this, which is more than the grant: a field, a version, or what a reference puts behind its `*`. */
  readonly isExact?: boolean
  readonly error?: SecretError
}

/** Of each backend that the scope can reach. Never rejects for what one of them says. */
export async function policiesOf(secrets: Secrets<never>): Promise<readonly BackendPolicy[]> {
  const view = requireView(secrets)
  await view.root.ready()
  const { identities } = view.root.core!
  return Promise.all(identities.reachable(view.scope).map((instance) => policyAt(view, instance)))
}

async function policyAt({ root, scope }: View, instance: ProviderInstance): Promise<BackendPolicy> {
  const { identities, clock, timeout } = root.core!
  try {
    const provider = await instance.load()
    if (provider.policy === undefined) return { provider: instance.name ?? '' }
    const grant = identities.grantAt(scope, instance)
    const result = await new Call(provider, async (context) => provider.policy?.(grant, context), { clock, timeout, attempts: 2, isBehind: false }).result
    if (!result.ok) throw createError(result.failure, { provider: instance.name })
    return { provider: instance.name ?? '', policy: result.answer, isExact: identities.isExactAt(scope, instance) }
  } catch (error) {
    return { provider: instance.name ?? '', error: isSecretError(error) ? error : createError({ code: 'unavailable' }, { provider: instance.name }) }
  }
}
