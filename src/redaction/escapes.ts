/**
 * Escapes that a text can hold a character in: JSON (RFC 8259 section 7) and the wider ones of JavaScript and shells, percent-encoding (RFC 3986 section 2.1),
 * and character references of HTML. In two layers at most, whichever: JSON in JSON, a percent-encoded text in JSON. A layer's escape is at most 12 characters.
 */

/** Set on what is a byte (of a percent-encoding) and no code point. */
const byteFlag = 1 << 24
const backslash = 92
const percent = 37
const ampersand = 38
const semicolon = 59
const longest = 12
export const layers = 2
/** Bytes of an escape in an escape, at most. */
export const longestEscape = longest ** layers

/** By the character after a backslash. */
const afterBackslash = new Int16Array(128).fill(-1)
for (const [character, code] of Object.entries({ n: 10, r: 13, t: 9, b: 8, f: 12, v: 11, 0: 0 })) afterBackslash[character.charCodeAt(0)] = code
for (let code = 32; code < 127; code++) if (!/[\w]/.test(String.fromCharCode(code))) afterBackslash[code] = code

const hexDigit = new Int16Array(128).fill(-1)
for (const [value, digit] of [...'0123456789abcdef'].entries()) hexDigit[digit.charCodeAt(0)] = hexDigit[digit.toUpperCase().charCodeAt(0)] = value

/** Of ASCII and Latin-1: https://html.spec.whatwg.org/multipage/named-characters.html */
const entities = new Map<string, number>()
const ascii =
  'Tab 9 NewLine 10 excl 33 quot 34 QUOT 34 num 35 dollar 36 percnt 37 amp 38 AMP 38 apos 39 lpar 40 rpar 41 ast 42 midast 42 plus 43 comma 44 period 46 sol 47 colon 58 semi 59 lt 60 LT 60 equals 61 gt 62 GT 62 quest 63 commat 64 lsqb 91 lbrack 91 bsol 92 rsqb 93 rbrack 93 Hat 94 lowbar 95 UnderBar 95 grave 96 lcub 123 lbrace 123 verbar 124 vert 124 VerticalLine 124 rcub 125 rbrace 125'.split(
    ' ',
  )
for (let index = 0; index < ascii.length; index += 2) entities.set(ascii[index]!, Number(ascii[index + 1]))
const latin =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'.split(
    ' ',
  )
for (const [index, name] of latin.entries()) entities.set(name, 160 + index)

/** May an escape begin with this byte? */
export const isAnchor = (byte: number): boolean => byte === backslash || byte === percent || byte === ampersand

/** Reads one character after the other; what it found stands in its fields, since an object for each would cost more than all else. */
export class EscapeReader {
  text: Uint8Array = new Uint8Array(0)
  end = 0
  /** The bytes of the character that was read, in UTF-8. */
  readonly bytes = new Uint8Array(4)
  length = 0
  /** Where the next one begins. */
  next = 0
  /** Did the text end before that could be told? */
  ranOut = false

  open(text: Uint8Array, end: number): void {
    this.text = text
    this.end = end
  }

  /** Reads the escape at this position, in so many layers exactly. False where there is none. */
  read(position: number, depth: number): boolean {
    if (depth === 1 && this.#readShort(position)) return true
    const code = this.#escape(position, depth)
    if (code < 0) return false
    this.#encode(code)
    return true
  }

  // The most frequent ones, which the way through the layers would make several times as slow.
  #readShort(position: number): boolean {
    const { text } = this
    if (position + 2 >= this.end) return false
    const first = text[position]!
    const second = text[position + 1]!
    if (second > 127) return false
    if (first === percent) {
      const third = text[position + 2]!
      const high = hexDigit[second]!
      const low = third > 127 ? -1 : hexDigit[third]!
      if (high < 0 || low < 0) return false
      this.bytes[0] = high * 16 + low
      this.next = position + 3
    } else if (first === backslash && second !== 117 && second !== 120) {
      const code = afterBackslash[second]!
      if (code < 0) return false
      this.bytes[0] = code
      this.next = position + 2
    } else return false
    this.length = 1
    return true
  }

  /** The character at this position: by the most layers that give one, of so many. */
  readAny(position: number, deepest = layers): void {
    if (isAnchor(this.text[position]!)) for (let depth = deepest; depth > 0; depth--) if (this.read(position, depth)) return
    this.bytes[0] = this.text[position]!
    this.length = 1
    this.next = position + 1
  }

  #encode(code: number): void {
    const { bytes } = this
    if ((code & byteFlag) !== 0 || code < 0x80) {
      bytes[0] = code & 0xff
      this.length = 1
    } else if (code < 0x800) {
      bytes[0] = 0xc0 | (code >> 6)
      bytes[1] = 0x80 | (code & 63)
      this.length = 2
    } else if (code < 0x10000) {
      bytes[0] = 0xe0 | (code >> 12)
      bytes[1] = 0x80 | ((code >> 6) & 63)
      bytes[2] = 0x80 | (code & 63)
      this.length = 3
    } else {
      bytes[0] = 0xf0 | (code >> 18)
      bytes[1] = 0x80 | ((code >> 12) & 63)
      bytes[2] = 0x80 | ((code >> 6) & 63)
      bytes[3] = 0x80 | (code & 63)
      this.length = 4
    }
  }

  /** The character as the layer below gives it; -1 at the end of the text. */
  #character(position: number, depth: number): number {
    if (position >= this.end) {
      this.ranOut = true
      return -1
    }
    if (depth > 0) {
      const code = this.#escape(position, depth)
      if (code >= 0) return code & ~byteFlag
      if (depth > 1) return this.#character(position, depth - 1)
    }
    this.next = position + 1
    return this.text[position]!
  }

  #escape(position: number, depth: number): number {
    const first = this.#character(position, depth - 1)
    if (first === backslash) return this.#afterBackslash(this.next, depth)
    if (first === percent) {
      const byte = this.#hex(this.next, 2, depth)
      return byte < 0 ? -1 : byte | byteFlag
    }
    return first === ampersand ? this.#entity(this.next, depth) : -1
  }

  #afterBackslash(position: number, depth: number): number {
    const second = this.#character(position, depth - 1)
    if (second < 0 || second > 127) return -1
    if (second === 120) return this.#hex(this.next, 2, depth)
    if (second !== 117) return afterBackslash[second]!
    const unit = this.#hex(this.next, 4, depth)
    if (unit < 0xd800 || unit > 0xdbff) return unit >= 0xdc00 && unit <= 0xdfff ? -1 : unit
    if (this.#character(this.next, depth - 1) !== backslash || this.#character(this.next, depth - 1) !== 117) return -1
    const low = this.#hex(this.next, 4, depth)
    return low < 0xdc00 || low > 0xdfff ? -1 : 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
  }

  #hex(position: number, digits: number, depth: number): number {
    let value = 0
    this.next = position
    for (let count = 0; count < digits; count++) {
      const character = this.#character(this.next, depth - 1)
      const digit = character < 0 || character > 127 ? -1 : hexDigit[character]!
      if (digit < 0) return -1
      value = value * 16 + digit
    }
    return value
  }

  #entity(position: number, depth: number): number {
    let name = ''
    let after = position
    this.next = position
    // Without the "&".
    while (name.length < longest - 1) {
      const character = this.#character(this.next, depth - 1)
      if (character === semicolon) {
        after = this.next
        break
      }
      if (!mayContinue(name, character)) {
        // A number may end without its semicolon.
        if (!name.startsWith('#')) return -1
        break
      }
      after = this.next
      name += String.fromCharCode(character)
    }
    const code = codeOf(name)
    this.next = after
    return code
  }
}

/** May a reference go on so? */
function mayContinue(name: string, character: number): boolean {
  const isDigit = character >= 48 && character <= 57
  if (name === '') return character === 35 || isLetter(character)
  if (!name.startsWith('#')) return isDigit || isLetter(character)
  if (name === '#') return isDigit || character === 120 || character === 88
  return isDigit || (/^#x/i.test(name) && ((character >= 97 && character <= 102) || (character >= 65 && character <= 70)))
}
const isLetter = (character: number): boolean => (character >= 65 && character <= 90) || (character >= 97 && character <= 122)

function codeOf(name: string): number {
  if (!name.startsWith('#')) return entities.get(name) ?? -1
  const digits = /^#(?:(\d+)|[xX]([\da-fA-F]+))$/.exec(name)
  if (digits === null) return -1
  const code = digits[1] === undefined ? Number.parseInt(digits[2]!, 16) : Number.parseInt(digits[1], 10)
  return code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? -1 : code
}
