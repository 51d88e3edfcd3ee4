/** Messages of the protocol: what a tool can write into one is clean, and what the protocol itself goes by stays as it is. */

/** What cleans: a call of a tool, or the reader of the server. */
export interface Cleaning {
  text(text: string): string
  data(value: unknown): unknown
}

type Values = Record<string, unknown>

const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null

export interface OwnNumbers {
  /** Has the client given this token for the progress of a request that runs? */
  isToken(token: unknown): boolean
  /** Is this the number of a request that was sent to the client? */
  isRequest(id: unknown): boolean
}

/**
 * A clean message, or the part of one that a tool hands over to be sent. Numbers and tokens that the protocol goes by are kept: a secret may be a short number.
 */
export function cleanMessage(cleaning: Cleaning, message: unknown, own: OwnNumbers): unknown {
  if (!isObject(message)) return cleaning.data(message)
  const { jsonrpc, id, method, ...content } = message
  // The answer to what could not be read has null.
  const isNumbered = typeof id === 'string' || Number.isSafeInteger(id) || id === null
  const clean = whole(cleaning, withBlobs(cleaning, content)) as Values
  const parameters = isObject(content['params']) ? content['params'] : undefined
  if (parameters !== undefined && isObject(clean['params'])) clean['params'] = withNumbers(method, id, parameters, clean['params'], own)
  return {
    ...(jsonrpc === undefined ? {} : { jsonrpc: '2.0' }),
    ...(isNumbered ? { id: typeof id === 'string' ? cleaning.text(id) : id } : {}),
    ...(method === undefined ? {} : { method: typeof method === 'string' ? cleaning.text(method) : cleaning.data(method) }),
    ...clean,
  }
}

/** Clean as it is, and as what is made of it on the wire. */
function whole(cleaning: Cleaning, content: Values): unknown {
  const cleaned = { ...(cleaning.data(content) as Values) }
  const text = JSON.stringify(cleaned)
  const clean = cleaning.text(text)
  return clean === text ? cleaned : JSON.parse(clean)
}

function withNumbers(method: unknown, id: unknown, given: Values, clean: Values, own: OwnNumbers): Values {
  if (method === 'notifications/progress' && own.isToken(given['progressToken'])) return { ...clean, progressToken: given['progressToken'] }
  if (method === 'notifications/cancelled' && own.isRequest(given['requestId'])) return { ...clean, requestId: given['requestId'] }
  const token = isObject(given['_meta']) ? given['_meta']['progressToken'] : undefined
  if (typeof token === 'number' && token === id && isObject(clean['_meta'])) return { ...clean, _meta: { ...clean['_meta'], progressToken: token } }
  return clean
}

/** Bytes travel as base64, which stays base64: it is cleaned as what it is. */
export function withBlobs<Value>(cleaning: Cleaning, value: Value, depth = 0): Value {
  if (!isObject(value) || depth > deepest) return value
  const entries = Object.entries(value).map(([key, member]: [string, unknown]) => {
    const isBlob = typeof member === 'string' && (key === 'blob' || (key === 'data' && typeof value['mimeType'] === 'string'))
    return [key, isBlob ? cleanBlob(cleaning, member) : withBlobs(cleaning, member, depth + 1)] as const
  })
  if (entries.every(([key, member]) => member === value[key])) return value
  return (Array.isArray(value) ? Object.assign([...(value as unknown[])], Object.fromEntries(entries)) : { ...value, ...Object.fromEntries(entries) }) as Value
}

/** As deep as results of the protocol are, with room. */
const deepest = 16

function cleanBlob(cleaning: Cleaning, blob: string): string {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(blob)) return blob
  const bytes = new Uint8Array(Buffer.from(blob, 'base64'))
  const cleaned = cleaning.data(bytes)
  return cleaned === bytes ? blob : Buffer.from(cleaned instanceof Uint8Array ? cleaned : String(cleaned)).toString('base64')
}
