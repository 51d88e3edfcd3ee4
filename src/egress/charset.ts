/** What a text is written in. A value is known in UTF-8, and would pass in anything else. */

const utf8 = 'utf-8'

/**
 * The charset of a content type; undefined where it says none.
 * @returns `unknown` for one that cannot be read, or several that differ. `binary` is none: it says that there is no text.
 */
export function charsetOf(contentType: string): { readonly known: string } | { readonly unknown: true } | undefined {
  // In pieces, or with a charset of its own, as some read it: https://www.rfc-editor.org/rfc/rfc2231.html.
  if (/;\s*charset\*/i.test(contentType)) return { unknown: true }
  const said = [...contentType.matchAll(/;\s*charset\s*=\s*(?:"([^"]*)"|([^;,\s]*))/gi)]
    .map(([, quoted, bare]) => (quoted ?? bare ?? '').trim())
    .filter((label) => !isBinary(label))
  if (said.length === 0) return undefined
  const encodings = new Set(said.map(encodingOf))
  const [encoding] = encodings
  return encodings.size === 1 && encoding !== undefined ? { known: encoding } : { unknown: true }
}

const isBinary = (label: string): boolean => label.toLowerCase() === 'binary'

function encodingOf(label: string): string | undefined {
  try {
    return new TextDecoder(label).encoding
  } catch {
    return undefined
  }
}

/** The same type, for what is UTF-8 now, or was no text. */
export const asUtf8 = (contentType: string): string => contentType.replaceAll(/(;\s*charset\s*=(?!\s*"?\s*binary\s*"?\s*(?:[;,]|$))\s*)(?:"[^"]*"|[^;,\s]*)/gi, `$1${utf8}`)

/** Is it meant to be read as text, whatever it is written in? What does not say what it is may be. */
export const isText = (contentType: string): boolean => contentType === '' || (isTextType.test(contentType) && !/;\s*charset\s*=\s*"?\s*binary\b/i.test(contentType))

const isTextType = /^\s*(?:text\/|application\/(?:[\w.+-]*[+])?(?:json|xml|javascript|x-ndjson|ndjson|jsonl)\b|application\/x-www-form-urlencoded)/i

/** By the mark at its beginning, which readers of text believe before all else: https://encoding.spec.whatwg.org/#bom-sniff. */
function markOf([first, second, third]: Uint8Array): string | undefined {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  if (first === 0xfe && second === 0xff) return 'utf-16be'
  return first === 0xef && second === 0xbb && third === 0xbf ? utf8 : undefined
}

/** Bytes of the longest mark. */
const longestMark = 3

/** Text of whatever charset, piece by piece, in UTF-8. */
export class Recoder {
  /** What the content type says. */
  readonly #said: string
  readonly #encoder = new TextEncoder()
  #decoder: InstanceType<typeof TextDecoder> | undefined
  /** What came before it was known what it is. */
  #first: Uint8Array | undefined = new Uint8Array(0)

  constructor(said = utf8) {
    this.#said = said
  }

  push(chunk: Uint8Array): Uint8Array {
    if (this.#first === undefined) return this.#recode(chunk)
    this.#first = Buffer.concat([this.#first, chunk])
    return this.#first.length < longestMark ? new Uint8Array(0) : this.#begin(this.#first)
  }

  end(): Uint8Array {
    const rest = this.#first === undefined ? undefined : this.#begin(this.#first)
    const last = this.#decoder === undefined ? new Uint8Array(0) : this.#encoder.encode(this.#decoder.decode())
    return rest === undefined ? last : Buffer.concat([rest, last])
  }

  #begin(first: Uint8Array): Uint8Array {
    this.#first = undefined
    const encoding = markOf(first) ?? this.#said
    // What is UTF-8 already stays byte for byte what it is.
    if (encoding !== utf8) this.#decoder = new TextDecoder(encoding)
    return this.#recode(first)
  }

  #recode(chunk: Uint8Array): Uint8Array {
    return this.#decoder === undefined ? chunk : this.#encoder.encode(this.#decoder.decode(chunk, { stream: true }))
  }
}
