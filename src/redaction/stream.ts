/** A stream in which every known value is replaced, however it is cut. */
import { invalidConfig } from '../errors/secret-error.js'
import { carriageReturn, lineFeed } from './forms.js'
import { Hold } from './hold.js'
import type { Match } from './matcher.js'
import { tell, type Reader, type Redactor } from './redactor.js'

/**
 * Where nothing is held back any more: after a line, after an event of an event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html), or
 * only at the end. A value that such a place cuts through is found by its parts.
 */
export type FlushAt = 'line' | 'event' | 'end'

export class RedactedStream {
  readonly #redactor: Redactor
  readonly #reader: Reader
  readonly #flushAt: FlushAt
  readonly #hold = new Hold()
  readonly #joined = new Joined()
  /** Bytes behind what was told that a marker stands for already. */
  #covered = 0
  /** The last one. */
  #marker = ''

  constructor(redactor: Redactor, reader: Reader, flushAt: FlushAt) {
    this.#redactor = redactor
    this.#reader = reader
    this.#flushAt = flushAt
  }

  /** What can be told after this; of the chunk's own memory where nothing is replaced. */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const text = this.#joined.add(chunk)
    const boundary = this.#flushAt === 'end' ? 0 : boundaryIn(text, this.#flushAt)
    const before = boundary === 0 ? [] : this.#tell(0, boundary, boundary)
    const cut = boundary + this.#hold.cut(text.subarray(boundary), this.#redactor.longest)
    const pieces = [...before, ...this.#tell(boundary, text.length, cut)]
    this.#joined.keep(cut)
    return pieces
  }

  end(): readonly Uint8Array[] {
    const { length } = this.#joined.text
    return this.#tell(0, length, length)
  }

  /** Tells what stands before the cut; a value that begins there ends in this stretch of the text. */
  #tell(from: number, to: number, cut: number): readonly Uint8Array[] {
    const matches = to === from ? [] : this.#redactor.find(this.#joined.text.subarray(from, to)).toSorted(byPlace)
    const pieces: Uint8Array[] = []
    const counts = new Map<string, number>()
    let at = from + this.#covered
    for (const match of matches) {
      const start = from + match.start
      const end = from + match.end
      if (start >= cut) break
      if (end <= at) continue
      if (start > at) this.#joined.addPieces(at, start, pieces)
      const marker = this.#redactor.markers([match.value], this.#reader, counts)
      // Of one that overlaps with itself there is one marker.
      if (start >= at || marker !== this.#marker) pieces.push(encoder.encode(marker))
      this.#marker = marker
      at = end
    }
    if (at < cut) this.#joined.addPieces(at, cut, pieces)
    this.#covered = Math.max(0, at - cut)
    tell(counts, this.#reader)
    return pieces
  }
}

/** What was held back and the chunk behind it as one text, in memory that is used again: new memory for each chunk takes longer than to look through it. */
class Joined {
  text: Uint8Array = new Uint8Array(0)
  #memory: Uint8Array = this.text
  #rest: Uint8Array = this.text
  #chunk: Uint8Array = this.text

  add(chunk: Uint8Array): Uint8Array {
    const { length } = this.#rest
    this.#chunk = chunk
    if (length === 0) return (this.text = chunk)
    if (this.#memory.length < length + chunk.length) this.#memory = new Uint8Array(length + chunk.length)
    this.#memory.set(this.#rest)
    this.#memory.set(chunk, length)
    return (this.text = this.#memory.subarray(0, length + chunk.length))
  }

  /** Adds this stretch of the text, where it lasts: of the rest or of the chunk. */
  addPieces(from: number, to: number, pieces: Uint8Array[]): void {
    const { length } = this.#rest
    if (from < length) pieces.push(this.#rest.subarray(from, Math.min(to, length)))
    if (to > length) pieces.push(this.#chunk.subarray(Math.max(0, from - length), to - length))
  }

  /** Holds back what stands behind this position. */
  keep(from: number): void {
    // A copy, which `slice` of Node's buffers is not: whoever wrote the chunk may write into it.
    this.#rest = new Uint8Array(this.text.subarray(from))
    this.#chunk = this.text = this.#rest
  }
}

/** What a TransformStream does with each chunk and at its end. */
export interface RedactedStage {
  transform(chunk: unknown, controller: TransformStreamDefaultController<Uint8Array>): void
  flush(controller: TransformStreamDefaultController<Uint8Array>): void
}

export function createRedactStage(redactor: Redactor, reader: Reader, flushAt: FlushAt): RedactedStage {
  const stream = new RedactedStream(redactor, reader, flushAt)
  const enqueueAll = (pieces: readonly Uint8Array[], controller: TransformStreamDefaultController<Uint8Array>): void => {
    for (const piece of pieces) if (piece.length > 0) controller.enqueue(piece)
  }
  return {
    transform(chunk, controller) {
      if (!(chunk instanceof Uint8Array)) throw invalidConfig('a chunk', 'is no bytes', 'a Uint8Array; for text, a TextEncoderStream before this stream')
      enqueueAll(stream.push(chunk), controller)
    },
    flush: (controller) => enqueueAll(stream.end(), controller),
  }
}

const encoder = new TextEncoder()
const byPlace = (left: Match, right: Match): number => left.start - right.start || right.end - left.end

/** After the last place where the stream is flushed; 0 where there is none. */
function boundaryIn(text: Uint8Array, flushAt: FlushAt): number {
  for (let position = text.lastIndexOf(lineFeed); position >= 0; position = position === 0 ? -1 : text.lastIndexOf(lineFeed, position - 1)) {
    if (flushAt === 'line') return position + 1
    const before = text[position - 1] === carriageReturn ? position - 2 : position - 1
    if (text[before] === lineFeed || text[before] === carriageReturn) return position + 1
  }
  return 0
}
