/**
 * The unit: what one would write by hand. Pinned: with the one pin of keyward's that awaiting looks at, to tell its price from that of the rest. In a context:
 * to tell Node's price from that of the rest.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

export function open({ backend, isPinned = false, hasContext = false }) {
  const entries = new Map()
  const read = (name) => {
    const known = entries.get(name)
    if (known !== undefined) return known
    const fetched = backend(name)
    if (isPinned) Object.defineProperty(fetched, 'constructor', { value: Promise })
    entries.set(name, fetched)
    return fetched
  }
  return { read, ...(hasContext ? { within: (run) => new AsyncLocalStorage().run({}, run) } : {}) }
}
