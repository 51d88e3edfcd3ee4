/** Headers by what becomes of them. */

/** What a client that insists on a key is given: https://datatracker.ietf.org/doc/html/rfc6750 allows its characters in a token. */
export const placeholder: string = 'keyward-placeholder-which-is-no-key'

/** As servers behind CGI, WSGI and Rack read it, which tell no `_` from a `-`, and some no other sign either: https://datatracker.ietf.org/doc/html/rfc3875#section-4.1.18 */
export const hyphenated = (name: string): string => name.toLowerCase().replaceAll(/[^a-z\d]/g, '-')

/** Whose request it is: for a secret of ours, ours. */
const credentials: ReadonlySet<string> = new Set(['authorization', 'cookie', 'cookie2', 'proxy-authorization'])

/** The same in a URL: https://www.rfc-editor.org/rfc/rfc6750.html#section-2.3. */
export const credentialParameter = 'access_token'

/** Where servers and what stands before them look for another host or path than those that were checked. */
const hosts: ReadonlySet<string> = new Set([
  ...['host', 'forwarded', 'x-forwarded-host', 'x-forwarded-server', 'x-forwarded-prefix', 'x-host', 'x-http-host-override', 'x-original-host'],
  ...['x-envoy-original-dst-host', 'x-matched-path', 'x-invoke-path'],
  ...['x-forwarded-uri', 'x-forwarded-path', 'x-envoy-original-path', 'x-original-url', 'x-original-uri', 'x-rewrite-url', 'x-rewrite-uri', 'x-override-url'],
])

/** The same for the method. */
const methods: ReadonlySet<string> = new Set(['x-http-method-override', 'x-http-method', 'x-method-override', 'x-method', 'x-forwarded-method', 'x-original-method'])

/** Parameters of a URL that are read as a method: Rack and Laravel, the APIs of Google and Salesforce. */
const methodParameters: ReadonlySet<string> = new Set(['_method', '$httpmethod', '_httpmethod', ...methods])

/** Methods that the Graph API of Facebook reads in a parameter `method`, in which other services name their functions. */
const graphMethods: ReadonlySet<string> = new Set(['GET', 'POST', 'DELETE', 'PUT', 'PATCH'])

/** The method that a parameter of a URL stands for: empty where that is not looked at, undefined where it stands for none. */
export function methodOfParameter(name: string, value: string): string | undefined {
  if (isNamed(name, methodParameters)) return ''
  const method = value.toUpperCase()
  return name.toLowerCase() === 'method' && graphMethods.has(method) ? method : undefined
}

/** PHP makes `_` of what stands for something else in the name of a parameter, leaves blanks before it out, and drops what follows a zero byte: https://www.php.net/manual/language.variables.external.php */
export function isNamed(parameter: string, names: ReadonlySet<string>): boolean {
  const [given = ''] = parameter.toLowerCase().split('\0')
  return names.has(given) || names.has(given.replace(/^ +/, '').replaceAll(/[ .[]/g, '_'))
}

/** Of the connection, which is ours, or asking for less than the whole of an answer, in which a secret could be cut in two. */
const ours: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'http2-settings', 'transfer-encoding', 'content-length', 'te', 'trailer', 'expect'],
  ...['accept-encoding', 'range', 'if-range', 'request-range', 'a-im'],
])

/** Left out of what a caller gives. */
export const isStripped = (name: string): boolean => ours.has(hyphenated(name))

/** Refused in what a caller gives. */
export const isCredential = (name: string): boolean => credentials.has(hyphenated(name))
export const isHost = (name: string): boolean => hosts.has(hyphenated(name))
export const isMethod = (name: string): boolean => methods.has(hyphenated(name))

/** Never to be set by what `inject` says. */
export const isOurs = (name: string): boolean => isStripped(name) || isHost(name) || isMethod(name)

/** Headers of an answer that say how it came, and are not true of what is handed over. */
export const ofTransport: ReadonlySet<string> = new Set([
  ...['content-length', 'content-encoding', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection', 'upgrade', 'te', 'trailer'],
])

/** Headers of one connection alone, in small letters: https://www.rfc-editor.org/rfc/rfc9110.html#section-7.6.1-4. */
export function namedByConnection(headers: readonly (readonly [string, string])[]): ReadonlySet<string> {
  const named = new Set<string>()
  for (const [name, value] of headers) if (name.length === 10 && name.toLowerCase() === 'connection') for (const other of value.toLowerCase().split(',')) named.add(other.trim())
  return named
}
