/** What of a value is a secret by itself, wherever it stands without the rest. */

/** Characters: what is shorter is everyday text, and is replaced only where it is all that stands there. */
export const shortest = 8

/** What a known value begins with that stands for bytes which are no text. No UTF-8 gives half of a surrogate pair. */
const binaryMark = '\udc00'

/** Bytes as a known value: each one a character. */
export const binaryValue = (bytes: Uint8Array): string => binaryMark + Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

const isBinary = (value: string): boolean => value.startsWith(binaryMark)

/** The bytes that a known value is. */
export const bytesOf = (value: string): Uint8Array =>
  isBinary(value) ? Uint8Array.from(value.slice(binaryMark.length), (character) => character.charCodeAt(0)) : encoder.encode(value)

const encoder = new TextEncoder()

/**
 * The value and its parts, each once, short ones too: the password of a connection string, each line of a text of several, the lines of a PEM and their joined
 * body. Of documents the leaves are known as values of their own.
 */
export function partsOf(value: string): readonly string[] {
  if (isBinary(value)) return [value]
  const lines = linesOf(value)
  // The boundaries of a PEM are everyday text: without them its body is the value.
  return [...new Set([...(lines.isWhole ? [] : [value]), ...passwordsOf(value), ...lines.parts])]
}

/** Is this part long enough to be looked for in texts? */
export const isLong = (part: string): boolean => (isBinary(part) ? part.length - binaryMark.length : part.length) >= shortest

/** As it stands in the URL, and as it is sent. */
function passwordsOf(value: string): readonly string[] {
  const parts: string[] = []
  for (const [, rest = ''] of value.matchAll(/(?:^|[\s=:"'])[a-z][a-z0-9+.-]*:\/\/(\S*)@/gi)) {
    for (const user of usersOf(rest)) {
      const password = user.includes(':') ? user.slice(user.indexOf(':') + 1) : user
      parts.push(password)
      try {
        parts.push(decodeURIComponent(password))
      } catch {
        // It is not encoded, and has a "%".
      }
    }
  }
  return parts
}

/** What may stand before the host: up to the @ that ends it by the rules, and, since passwords are often not encoded as they should be, up to the last one and the first. */
function usersOf(rest: string): readonly string[] {
  const authority = `${rest}@`.slice(0, `${rest}@`.search(/[/?#]|$/))
  const [first, byRules] = [rest.indexOf('@'), authority.lastIndexOf('@')]
  return [...new Set([rest, ...(first < 0 ? [] : [rest.slice(0, first)]), ...(byRules < 0 ? [] : [authority.slice(0, byRules)])])]
}

const boundary = /^-----(?:BEGIN|END) [A-Z0-9 ]+-----$/

interface Lines {
  readonly parts: readonly string[]
  /** Is what stands in these all that is secret of the value? */
  readonly isWhole: boolean
}

function linesOf(value: string): Lines {
  if (value.includes('-----BEGIN ')) return linesOfPem(value)
  // Lines of a document are everyday text with a secret in it, which is known as a leaf.
  if (!value.includes('\n') || /^\uFEFF?\s*[[{]/.test(value)) return { parts: [], isWhole: false }
  return { parts: value.split(/\r?\n/).flatMap((line) => (line.trim().length >= shortest ? [line.trim()] : [])), isWhole: false }
}

function linesOfPem(value: string): Lines {
  const lines = value.split(/\r?\n|\\n/).map((line) => line.trim())
  const parts: string[] = []
  let body: string[] = []
  for (const line of lines) {
    if (!boundary.test(line)) {
      // Headers of an encrypted key are no secret.
      if (line !== '' && !/^[A-Za-z-]+: /.test(line)) body.push(line)
    } else if (body.length > 0) {
      parts.push(...body, body.join(''), body.join('\n'))
      body = []
    }
  }
  return { parts, isWhole: parts.length > 0 && value.trimStart().startsWith('-----BEGIN ') }
}
