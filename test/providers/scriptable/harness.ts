import type { SecretProvider } from '../../../src/provider.js'
import type { ConformanceHarness } from '../../../src/testing/index.js'
import { createScriptable, type Scriptable, type ScriptableOptions } from './index.js'

/** What is wrong with a provider: it takes the place of the sound one. */
export type PartChange = (sound: Required<SecretProvider>, scriptable: Scriptable) => SecretProvider

/** The whole kit's harness over the scriptable backend. */
export function scriptableHarness(
  options: ScriptableOptions = {},
  change?: PartChange,
  scriptable: Scriptable = createScriptable(options),
): Required<Omit<ConformanceHarness, 'skips'>> {
  return {
    provider: async () => (change === undefined ? scriptable.factory : change(scriptable.provider as Required<SecretProvider>, scriptable)),
    async seed(secrets) {
      for (const [id, value] of Object.entries(secrets)) scriptable.put(id, value)
    },
    rotate: async (id, value) => void scriptable.rotate(id, value),
    remove: async (id) => scriptable.remove(id),
    deny: async (id) => scriptable.deny(id),
    async seedLeased() {
      const id = `${options.leasePrefix ?? 'dynamic/'}keyward-kit`
      scriptable.put(id, (count) => `lent ${count}`)
      return id
    },
    async fail(kind) {
      const restore = kind === 'timeout' ? scriptable.hang({}) : scriptable.fail({}, { code: kind, ...(kind === 'throttled' ? { retryAfter: '2s' } : {}) })
      return async () => restore()
    },
    close: async () => undefined,
  }
}
