/** Lines of a stream of bytes, of which none is longer than a bound. */

export type Line = { readonly text: string } | { readonly tooLong: true; readonly id: number | string | null }

const newline = 0x0a
/** The id of a message stands at its beginning, where Graft writes it. */
const beginning = 4_096

export class Lines {
  readonly #longest: number
  #parts: Buffer[] = []
  #length = 0

  constructor(longest: number) {
    this.#longest = longest
  }

  push(chunk: Buffer): readonly Line[] {
    const lines: Line[] = []
    let from = 0
    for (let end = chunk.indexOf(newline, from); end >= 0; end = chunk.indexOf(newline, from)) {
      this.#add(chunk.subarray(from, end))
      lines.push(this.#take())
      from = end + 1
    }
    this.#add(chunk.subarray(from))
    return lines
  }

  /** What stood after the last line end. */
  end(): readonly Line[] {
    return this.#length === 0 ? [] : [this.#take()]
  }

  #add(part: Buffer): void {
    // Of what is too long its beginning is kept, and counted is the rest.
    if (part.length > 0 && (this.#length < beginning || this.#length + part.length <= this.#longest)) this.#parts.push(part)
    this.#length += part.length
    if (this.#length > this.#longest) this.#parts = [Buffer.concat(this.#parts).subarray(0, beginning)]
  }

  #take(): Line {
    const text = Buffer.concat(this.#parts).toString('utf8')
    const isTooLong = this.#length > this.#longest
    this.#parts = []
    this.#length = 0
    return isTooLong ? { tooLong: true, id: idAt(text) } : { text }
  }
}

function idAt(text: string): number | string | null {
  const [, number, string] = /^\s*\{\s*(?:"(?:jsonrpc|method)"\s*:\s*"[^"]*"\s*,\s*)*"id"\s*:\s*(?:(\d{1,15})|"([^"\\]{1,256})")\s*[,}]/.exec(text) ?? []
  return number === undefined ? (string ?? null) : Number(number)
}
