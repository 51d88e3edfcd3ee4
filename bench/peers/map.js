/** The unit: what one would write by hand. */
export function open({ backend }) {
  const entries = new Map()
  const read = (name) => {
    const known = entries.get(name)
    if (known !== undefined) return known
    const fetched = backend(name)
    entries.set(name, fetched)
    return fetched
  }
  return { read }
}
