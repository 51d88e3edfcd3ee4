/** Blobs and files, alone and within data and forms: their content can only be read by waiting, and what cleans data does not wait. So it is read before. */
import type { GuardedCall } from './guarded-call.js'
import { isTagged } from './shape.js'
import { cleanHeaders } from './streams.js'

/** Of one value; what is beyond is not told either. */
const mostObjects = 200_000

export const isBlob = (value: object): value is Blob => isTagged(value, 'Blob', 'File')
const isForm = (value: object): value is FormData => isTagged(value, 'FormData')

/** All that stand in it, however deep. */
export function blobsIn(value: unknown): readonly Blob[] {
  const found: Blob[] = []
  const seen = new Set<object>()
  const left: unknown[] = [value]
  while (left.length > 0 && seen.size < mostObjects) {
    const one = left.pop()
    if (typeof one !== 'object' || one === null || ArrayBuffer.isView(one) || seen.has(one)) continue
    seen.add(one)
    try {
      if (isBlob(one)) found.push(one)
      for (const member of membersOf(one)) left.push(member)
    } catch {
      // What throws when it is looked at is not told as it is.
    }
  }
  return found
}

/** As they are, whatever an iterator of their own would say of them, which may be without end; of a list those that it has, and not its holes. */
function* membersOf(value: object): Generator {
  if (value instanceof Map) for (const pair of Map.prototype.entries.call(value)) yield* pair
  if (value instanceof Set) yield* Set.prototype.values.call(value)
  if (isForm(value)) yield* FormData.prototype.values.call(value)
  // Getters are code of whoever made it, and are looked at when it is cleaned.
  for (const key of Reflect.ownKeys(value)) yield Object.getOwnPropertyDescriptor(value, key)?.value
}

/** In place of one that is another whenever it is asked for, so that what was read is not what is told. */
export const withheldBlob = (): Blob => new Blob(['[withheld: a blob that is made anew each time]'])

/** The same blob where it is clean. */
export async function cleanBlob(call: GuardedCall, blob: Blob): Promise<Blob> {
  const bytes = new Uint8Array(await Blob.prototype.arrayBuffer.call(blob))
  const cleaned = call.data(bytes) as Uint8Array<ArrayBuffer>
  // Its name, its type and what else it has are looked at as those of any instance.
  if (Buffer.compare(cleaned, bytes) === 0 && call.data(blob) === blob) return blob
  const { File } = globalThis
  const type = call.text(blob.type)
  return blob instanceof File ? new File([cleaned], call.text(blob.name), { type, lastModified: blob.lastModified }) : new Blob([cleaned], { type })
}

/**
 * The same form or headers where they are clean; undefined where it is neither.
 * @param known The clean one of a file that has been read.
 */
export function cleanEntries(call: GuardedCall, value: object, known: (file: object) => Blob | undefined): FormData | Headers | undefined {
  if (isForm(value)) return cleanForm(call, value, known)
  if (!isTagged(value, 'Headers')) return undefined
  const cleaned = cleanHeaders(call, value as Headers)
  return isSame([...Headers.prototype.entries.call(value)], [...cleaned]) ? (value as Headers) : cleaned
}

function cleanForm(call: GuardedCall, form: FormData, known: (file: object) => Blob | undefined): FormData {
  const copy = new FormData()
  const entries = [...FormData.prototype.entries.call(form)]
  for (const [name, member] of entries)
    if (typeof member === 'string') copy.append(call.text(name), call.text(member))
    else copy.append(call.text(name), known(member) ?? member)
  return isSame(entries, [...copy]) ? form : copy
}

const isSame = (left: readonly (readonly unknown[])[], right: readonly (readonly unknown[])[]): boolean =>
  left.every((entry, index) => entry.every((member, at) => member === right[index]?.[at]))
