/** Of an answer: what keeps a session that is the secret's and not the client's, what sends a client around the proxy, and what the proxy alone may say. */
const kept: ReadonlySet<string> = new Set(['keyward-error', 'set-cookie', 'set-cookie2', 'alt-svc', 'strict-transport-security', 'clear-site-data', 'refresh'])

/** What a client gets of the headers of an answer that was cleaned. */
export function passedOn(headers: Headers): readonly (readonly [string, string])[] {
  return [...headers].filter(([name]) => !kept.has(name))
}
