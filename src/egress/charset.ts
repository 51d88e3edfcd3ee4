/** What a text is written in. A value is known in UTF-8, and would pass in anything else. */

const utf8 = 'utf-8'

/**
 * The charset of a content type; undefined where it says none.
 * @returns `unknown` for one that cannot be read, or several that differ.
 */
export function charsetOf(contentType: string): { readonly known: string } | { readonly unknown: true } | undefined {
  const said = [...contentType.matchAll(/;\s*charset\s*=\s*(?:"([^"]*)"|([^;,\s]*))/gi)].map(([, quoted, bare]) => (quoted ?? bare ?? '').trim())
  if (said.length === 0) return undefined
  const encodings = new Set(said.map(encodingOf))
  const [encoding] = encodings
  return encodings.size === 1 && encoding !== undefined ? { known: encoding } : { unknown: true }
}

function encodingOf(label: string): string | undefined {
  try {
    return new TextDecoder(label).encoding
  } catch {
    return undefined
  }
}

export const isUtf8 = (encoding: string): boolean => encoding === utf8

/** The same type, for what is UTF-8 now. */
export const asUtf8 = (contentType: string): string => contentType.replaceAll(/(;\s*charset\s*=\s*)(?:"[^"]*"|[^;,\s]*)/gi, `$1${utf8}`)

/** Is it meant to be read as text, whatever it is written in? */
export const isText = (contentType: string): boolean =>
  /^\s*(?:text\/|application\/(?:[\w.+-]*[+])?(?:json|xml|javascript|x-ndjson|ndjson|jsonl)\b|application\/x-www-form-urlencoded)/i.test(contentType)

/** By the mark at its beginning, which readers of text believe before all else. */
export function markOf(first: Uint8Array): string | undefined {
  if (first[0] === 0xff && first[1] === 0xfe) return 'utf-16le'
  return first[0] === 0xfe && first[1] === 0xff ? 'utf-16be' : undefined
}

/** Text of another charset, piece by piece, in UTF-8. */
export class Recoder {
  readonly #decoder: InstanceType<typeof TextDecoder>
  readonly #encoder = new TextEncoder()

  constructor(encoding: string) {
    this.#decoder = new TextDecoder(encoding)
  }
  push(chunk: Uint8Array): Uint8Array {
    return this.#encoder.encode(this.#decoder.decode(chunk, { stream: true }))
  }
  end(): Uint8Array {
    return this.#encoder.encode(this.#decoder.decode())
  }
}
