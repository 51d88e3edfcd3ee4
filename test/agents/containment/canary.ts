/** A value that must be seen nowhere, and how it is looked for. */
import { inspect } from 'node:util'

export const canary = 'sk-canary-4f9d2b7a81c6e350f1'
export const other = 'other-canary-97ab31cc02de55'

/** In every form that a reader would decode at a glance. */
function formsOf(value: string): readonly string[] {
  const bytes = Buffer.from(value)
  const base64 = ['', 'a', 'ab'].map((before) => {
    const text = Buffer.from(before + value).toString('base64')
    // Without the characters that what stands beside it decides too.
    return text.slice(before === '' ? 0 : 4, text.length - 4).replace(/=+$/, '')
  })
  return [value, bytes.toString('hex'), [...bytes].map((byte) => `%${byte.toString(16)}`).join(''), ...base64]
}

/** As JSON reads its escapes, in however many texts of JSON within each other. */
const unescaped = (text: string): string => text.replaceAll(/\\+u([\da-f]{4})/gi, (_escape, code: string) => String.fromCharCode(parseInt(code, 16)))

/** Where it stands in what was seen, in whichever form; undefined where it does not. */
export function findCanary(seen: string, value = canary): string | undefined {
  for (const text of [seen, seen.toLowerCase(), unescaped(seen)])
    for (const form of formsOf(value)) {
      const at = text.indexOf(text === seen.toLowerCase() ? form.toLowerCase() : form)
      if (at >= 0) return text.slice(Math.max(0, at - 60), at + form.length + 20)
    }
  return undefined
}

/** All that can be seen of a value: as it prints, with what is hidden, and as JSON. */
export function seenOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  const inspected = inspect(value, { depth: 12, showHidden: true, getters: 'get', maxStringLength: null, maxArrayLength: null, breakLength: Infinity })
  try {
    return `${inspected}\n${JSON.stringify(value)}`
  } catch {
    return inspected
  }
}
