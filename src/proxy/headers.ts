/** Of an answer: what keeps a session that is the secret's and not the client's, what sends a client around the proxy, and what the proxy alone may say. */
const kept: ReadonlySet<string> = new Set(['keyward-error', 'set-cookie', 'set-cookie2', 'alt-svc', 'strict-transport-security', 'clear-site-data', 'refresh'])

/**
 * What a client gets of the headers of an answer that was cleaned: several of one name as one, so that nobody reads another one of them than was looked at.
 * @param headers With names in small letters.
 */
export function passedOn(headers: Iterable<readonly [string, string]>): Iterable<readonly [string, string]> {
  const passed = new Map<string, string>()
  for (const [name, value] of headers) {
    if (kept.has(name)) continue
    const before = passed.get(name)
    passed.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return passed
}
