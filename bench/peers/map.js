/** The unit: what one would write by hand. Pinned: with the one pin of keyward's that awaiting looks at, to tell its price from that of the rest. */
export function open({ backend, isPinned = false }) {
  const entries = new Map()
  const read = (name) => {
    const known = entries.get(name)
    if (known !== undefined) return known
    const fetched = backend(name)
    if (isPinned) Object.defineProperty(fetched, 'constructor', { value: Promise })
    entries.set(name, fetched)
    return fetched
  }
  return { read }
}
