import { invalidConfig } from '../errors/secret-error.js'
import type { Secrets } from './types.js'
import { viewBehind, type View } from './view.js'

/**
 * The view behind what a caller handed over.
 * @throws SecretError `invalid-config` for what is no view of this copy of the package.
 */
export function requireView(secrets: Secrets<never>): View {
  // Whatever a caller without types has: of what is no object a map of objects knows nothing.
  const view = viewBehind(secrets)
  if (secrets === undefined) throw invalidConfig('secrets', 'is missing', 'what createSecrets, loadSecrets, agent or scope returned')
  if (view === undefined && typeof (secrets as { then?: unknown } | undefined)?.then === 'function') throw invalidConfig('secrets', 'is a promise', 'what it gives: await it')
  if (view === undefined)
    throw invalidConfig('secrets', 'is no view of this copy of keyward', 'what createSecrets, loadSecrets, agent or scope returned; of one copy of the package: `npm ls keyward`')
  return view
}
