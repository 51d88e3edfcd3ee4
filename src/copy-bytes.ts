/** Bytes of the same type, in memory of their own. */
export function bytesOf(view: ArrayBufferView): ArrayBufferView {
  const { Buffer } = globalThis as { Buffer?: typeof globalThis.Buffer }
  // Its `slice` is no copy, and `Buffer.from` shares its memory with other buffers.
  if (Buffer !== undefined && view instanceof Buffer) return Buffer.from(new Uint8Array(view).buffer)
  if (!(view instanceof DataView)) return (view as Uint8Array).slice()
  return new DataView(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength))
}
