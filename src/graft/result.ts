/** What a tool gave, as Graft reads it: of a result it keeps nothing but blocks of text. */

export interface ToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[]
  readonly isError?: true
}

type Values = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null

export const errorResult = (text: string): ToolResult => ({ content: [{ type: 'text', text }], isError: true })

export async function resultOf(value: unknown): Promise<ToolResult> {
  if (isIterable(value)) return resultOf(await joined(value))
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

/** Graft waits for the whole. */
async function joined(pieces: AsyncIterable<unknown> | Generator): Promise<unknown> {
  const all: unknown[] = []
  for await (const piece of pieces) all.push(piece)
  return all.every((piece) => typeof piece === 'string') ? all.join('') : all
}
