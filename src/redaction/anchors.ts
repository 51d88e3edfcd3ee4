/** Where escapes may begin in a text: the places of a few bytes, in order. */

/** Bytes that are looked at one by one: where one is, others are near, and a call to search costs as much as these. */
const near = 12

/** A place after every other, as a small integer. */
const never = 0x3fff_ffff

interface Track {
  readonly byte: number
  at: number
}

export class Anchors {
  #text: Uint8Array = new Uint8Array(0)
  #searched: Uint8Array = this.#text
  #end = 0
  readonly #is = new Uint8Array(256)
  readonly #tracks: readonly Track[]

  constructor(bytes: readonly number[]) {
    for (const byte of bytes) this.#is[byte] = 1
    this.#tracks = bytes.map((byte) => ({ byte, at: 0 }))
  }

  open(text: Uint8Array, end: number): void {
    const { Buffer } = globalThis as { Buffer?: typeof globalThis.Buffer }
    this.#text = text
    this.#end = end
    // Node's search for one byte is several times as fast as that of its arrays.
    this.#searched = Buffer === undefined || text instanceof Buffer ? text : Buffer.from(text.buffer, text.byteOffset, text.byteLength)
    for (const track of this.#tracks) track.at = this.#find(track.byte, 0)
  }

  #find(byte: number, from: number): number {
    const at = this.#searched.indexOf(byte, from)
    return at < 0 ? never : at
  }

  /** The first one at this position or after it; -1 where there is none. */
  next(from: number): number {
    const text = this.#text
    const is = this.#is
    const end = this.#end
    const until = from === 0 ? 0 : Math.min(end, from + near)
    for (let position = from; position < until; position++) if (is[text[position]!] === 1) return position
    let first = end
    for (let index = 0; index < this.#tracks.length; index++) {
      const track = this.#tracks[index]!
      if (track.at < until) track.at = this.#find(track.byte, until)
      if (track.at < first) first = track.at
    }
    return first < end ? first : -1
  }
}
