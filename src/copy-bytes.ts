/** Bytes that somebody else made, by what they are and not by what they say of themselves: any member of them may be another. */

export type Memory = ArrayBuffer | SharedArrayBuffer

/** Shared memory too: what is written into that whoever holds it sees at once. */
export const isMemory = (value: unknown): value is Memory => value instanceof ArrayBuffer || (typeof SharedArrayBuffer !== 'undefined' && value instanceof SharedArrayBuffer)

const typed: unknown = Object.getPrototypeOf(Uint8Array.prototype)
const asked = (of: unknown, key: PropertyKey, value: unknown): unknown => Reflect.apply(Object.getOwnPropertyDescriptor(of, key)!.get!, value, [])

/** `Uint8Array` and its like; undefined of a DataView. */
const kindOf = (view: ArrayBufferView): string | undefined => asked(typed, Symbol.toStringTag, view) as string | undefined

/** The memory itself. */
export function bytesIn(value: ArrayBufferView | Memory): Uint8Array {
  if (!ArrayBuffer.isView(value)) return new Uint8Array(value)
  const of = kindOf(value) === undefined ? DataView.prototype : typed
  return new Uint8Array(asked(of, 'buffer', value) as ArrayBuffer, asked(of, 'byteOffset', value) as number, asked(of, 'byteLength', value) as number)
}

/** What makes the same of other bytes, in memory of its own. */
export interface Kind {
  /** Bytes of one number. */
  readonly size: number
  readonly make: (bytes: Uint8Array) => ArrayBufferView | Memory
}

const copied = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer

export function kindOfBytes(value: ArrayBufferView | Memory): Kind {
  if (!ArrayBuffer.isView(value)) return { size: 1, make: isShared(value) ? shared : copied }
  const name = kindOf(value)
  if (name === undefined) return { size: 1, make: (bytes) => new DataView(copied(bytes)) }
  const { Buffer } = globalThis as { Buffer?: typeof globalThis.Buffer }
  // `Buffer.from` of bytes shares its memory with other buffers.
  if (Buffer !== undefined && value instanceof Buffer) return { size: 1, make: (bytes) => Buffer.from(copied(bytes)) }
  const Numbers = (globalThis as unknown as Record<string, Float64ArrayConstructor>)[name]!
  return { size: Numbers.BYTES_PER_ELEMENT, make: (bytes) => new Numbers(copied(bytes)) }
}

/** Of another realm too. */
function isShared(value: Memory): boolean {
  try {
    asked(ArrayBuffer.prototype, 'byteLength', value)
    return false
  } catch {
    return true
  }
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(bytes.length)
  new Uint8Array(memory).set(bytes)
  return memory
}

/** The same bytes, in memory of their own. */
export const bytesOf = (value: ArrayBufferView | Memory): ArrayBufferView | Memory => kindOfBytes(value).make(bytesIn(value))
