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
  #rest = new Uint8Array(0)
  /** Bytes of the rest in whose place a marker stands already. */
  #covered = 0
  /** The last one. */
  #marker = ''

  constructor(redactor: Redactor, reader: Reader, flushAt: FlushAt) {
    this.#redactor = redactor
    this.#reader = reader
    this.#flushAt = flushAt
  }

  /** What can be told after this. */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const text = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk)
    const boundary = this.#flushAt === 'end' ? 0 : boundaryIn(text, this.#flushAt)
    const before = boundary === 0 ? [] : this.#emit(text.subarray(0, boundary), boundary)
    const rest = text.subarray(boundary)
    return [...before, ...this.#emit(rest, this.#hold.cut(rest, this.#redactor.longest))]
  }

  end(): readonly Uint8Array[] {
    return this.#emit(this.#rest, this.#rest.length)
  }

  /** Tells what stands before the cut; a value that begins there ends in this text. */
  #emit(text: Uint8Array, cut: number): readonly Uint8Array[] {
    const matches = text.length === 0 ? [] : this.#redactor.find(text).toSorted(byPlace)
    const pieces: Uint8Array[] = []
    const counts = new Map<string, number>()
    let at = this.#covered
    for (const { start, end, value } of matches) {
      if (start >= cut) break
      if (end <= at) continue
      if (start > at) pieces.push(text.subarray(at, start))
      const marker = this.#redactor.markers([value], this.#reader, counts)
      // Of one that overlaps with itself there is one marker.
      if (start >= at || marker !== this.#marker) pieces.push(encoder.encode(marker))
      this.#marker = marker
      at = end
    }
    if (at < cut) pieces.push(text.subarray(at, cut))
    this.#covered = Math.max(0, at - cut)
    // A copy: whoever wrote the chunk may write into it.
    this.#rest = text.slice(cut)
    tell(counts, this.#reader)
    return pieces
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

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const length = left.length + right.length
  // Node need not fill with zeros what is written over at once.
  const all: Uint8Array = (globalThis as { Buffer?: typeof globalThis.Buffer }).Buffer?.allocUnsafeSlow(length) ?? new Uint8Array(length)
  all.set(left)
  all.set(right, left.length)
  return all
}

/** After the last place where the stream is flushed; 0 where there is none. */
function boundaryIn(text: Uint8Array, flushAt: FlushAt): number {
  for (let position = text.lastIndexOf(lineFeed); position >= 0; position = position === 0 ? -1 : text.lastIndexOf(lineFeed, position - 1)) {
    if (flushAt === 'line') return position + 1
    const before = text[position - 1] === carriageReturn ? position - 2 : position - 1
    if (text[before] === lineFeed || text[before] === carriageReturn) return position + 1
  }
  return 0
}
