/** What a tool gave, as Graft reads it: of a result it keeps nothing but blocks of text. */

import { setImmediate } from 'node:timers/promises'

export interface ToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[]
  readonly isError?: true
}

type Values = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null

export const errorResult = (text: string): ToolResult => ({ content: [{ type: 'text', text }], isError: true })

/** What a result is at most. */
export interface Bound {
  /** Bytes. */
  readonly longest: number
  /** What cannot be longer: `'a line of the protocol'`. */
  readonly what: string
}

/** Why a tool's result is not told. */
export const tooLong = (length: string, { longest, what }: Bound): string =>
  `The result is ${length} bytes, and ${what} is at most ${longest}: let the tool give less, or in parts.`

/** Until when what a tool gives piece by piece is read. */
export interface Reading {
  /** Aborts when nobody waits for it any more. */
  readonly signal: AbortSignal
  readonly bound: Bound
}

export async function resultOf(value: unknown, reading: Reading): Promise<ToolResult> {
  if (isIterable(value)) return resultOf(await joined(value, reading), reading)
  if (isObject(value) && Array.isArray(value['content']) && value['content'].every((block) => isObject(block) && typeof block['type'] === 'string'))
    return ofBlocks(value['content'] as readonly Values[], value)
  return { content: [{ type: 'text', text: textOf(value) }] }
}

/** As a tool of MCP gives it. Without a block of text Graft would hand the model nothing. */
function ofBlocks(blocks: readonly Values[], { isError, structuredContent }: Values): ToolResult {
  const content = blocks.map((block) => ({ type: 'text' as const, text: ofBlock(block) }))
  if (content.length === 0) content.push({ type: 'text', text: structuredContent === undefined ? '' : textOf(structuredContent) })
  return isError === true ? { content, isError } : { content }
}

function ofBlock(block: Values): string {
  const { type, text, resource, uri, mimeType, data } = block
  if (typeof text === 'string') return text
  if (isObject(resource)) return typeof resource['text'] === 'string' ? resource['text'] : textOf(resource)
  if (type === 'resource_link') return String(uri)
  // Bytes are of no use as text.
  return typeof data === 'string' ? `[${String(type)}, ${String(mimeType)}, ${Buffer.byteLength(data, 'base64')} bytes]` : textOf(block)
}

function textOf(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Error) return value.message
  return JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? String(member) : member)) ?? typeof value
}

const isIterable = (value: unknown): value is AsyncIterable<unknown> | Generator =>
  isObject(value) && (Symbol.asyncIterator in value || Object.prototype.toString.call(value) === '[object Generator]')

/** Milliseconds after which others have their turn: pieces that nobody waits for leave none to timers and to what is read. */
const turn = 10

/**
 * Graft waits for the whole. It is read no further once nobody waits for it, or it is longer than anybody can be told.
 * @throws Error where it is too long.
 */
async function joined(pieces: AsyncIterable<unknown> | Generator, { signal, bound }: Reading): Promise<unknown> {
  const iterator = Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces
  const stop = (): void => end(iterator)
  signal.addEventListener('abort', stop, { once: true })
  const all: unknown[] = []
  let [length, since, isOver] = [0, performance.now(), false]
  try {
    while (!signal.aborted) {
      const next = await iterator.next()
      isOver = next.done === true
      if (isOver) break
      // Of a generator that is not asynchronous it may be a promise.
      const piece: unknown = await next.value
      all.push(piece)
      length += Buffer.byteLength(textOf(piece))
      // Pieces without a byte have no end of their own either.
      if (Math.max(length, all.length) > bound.longest) throw new Error(tooLong(`more than ${bound.longest}`, bound))
      if (performance.now() - since < turn) continue
      await setImmediate()
      since = performance.now()
    }
  } finally {
    signal.removeEventListener('abort', stop)
    if (!isOver) stop()
  }
  return all.every((piece) => typeof piece === 'string') ? all.join('') : all
}

/** Tells what gives pieces that no more are wanted. Nobody waits for it: it may be waiting itself. */
function end(iterator: AsyncIterator<unknown> | Generator): void {
  const returned = async (): Promise<unknown> => iterator.return?.(undefined)
  // The call was answered.
  returned().catch(() => undefined)
}
