/** Takes off what an answer was compressed with: https://www.rfc-editor.org/rfc/rfc9110.html#name-content-codings. As it is read, and no more of it. */
import { pipeline, type Readable, type Transform } from 'node:stream'
import * as zlib from 'node:zlib'

/** Those that are asked for. */
export const codings: readonly string[] = ['gzip', 'deflate', 'br']

/** So many, one in another, and no more. */
const deepest = 3

// What is cut short is told by the connection: a body without an end of its own is taken as it is, as browsers do.
const gzip = { flush: zlib.constants.Z_SYNC_FLUSH, finishFlush: zlib.constants.Z_SYNC_FLUSH }
const brotli = { flush: zlib.constants.BROTLI_OPERATION_FLUSH, finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH }

/** Makes a decoder, which may depend on the first byte. */
type Decoder = (first: number) => Transform

const decoders: Readonly<Record<string, Decoder | undefined>> = {
  gzip: () => zlib.createGunzip(gzip),
  'x-gzip': () => zlib.createGunzip(gzip),
  // Some servers leave the header of zlib out: its first byte says which it is.
  deflate: (first) => ((first & 0x0f) === 8 ? zlib.createInflate(gzip) : zlib.createInflateRaw(gzip)),
  br: () => zlib.createBrotliDecompress(brotli),
  // Not asked for: Node has it from 22.15 on.
  ...(typeof zlib.createZstdDecompress === 'function' ? { zstd: () => zlib.createZstdDecompress() } : {}),
}

/** What was applied, the last first; undefined where one of these is not known. */
export function codingsOf(header: string): readonly string[] | undefined {
  const applied = header
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
  return applied.length <= deepest && applied.every((coding) => Object.hasOwn(decoders, coding)) ? applied.toReversed() : undefined
}

/** The bytes before they were compressed. What goes wrong is thrown where they are read. */
export async function decode(encoded: Readable, applied: readonly string[]): Promise<Readable> {
  let stream = encoded
  for (const coding of applied) {
    const decoder = decoders[coding]!(coding === 'deflate' ? await firstByte(stream) : 0)
    // Its own listener hears of it.
    stream = pipeline(stream, decoder, () => undefined)
  }
  return stream
}

/** 8 where there is none. */
async function firstByte(stream: Readable): Promise<number> {
  for (;;) {
    const chunk = stream.read() as Buffer | null
    if (chunk !== null) {
      stream.unshift(chunk)
      return chunk[0] ?? 8
    }
    if (stream.readableEnded || stream.destroyed) return 8
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.off('readable', done).off('end', done).off('error', done).off('close', done)
        resolve()
      }
      stream.on('readable', done).on('end', done).on('error', done).on('close', done)
    })
  }
}
