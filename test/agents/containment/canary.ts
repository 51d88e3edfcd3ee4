/** A value that must be seen nowhere, and how it is looked for. */
import { inspect } from 'node:util'

export const canary = 'sk-canary-4f9d2b7a81c6e350f1'
export const other = 'other-canary-97ab31cc02de55'

/** As bytes are told, in lower case: in hex, in base64 of either alphabet wherever it begins, and as Node prints a Buffer or makes JSON of it. */
function formsOf(value: string): readonly string[] {
  const bytes = Buffer.from(value)
  const base64 = (['base64', 'base64url'] as const).flatMap((encoding) =>
    ['', 'a', 'ab'].map((before) => {
      const text = Buffer.from(before + value)
        .toString(encoding)
        .replace(/=+$/, '')
      // Without the characters that what stands beside it decides too.
      return text.slice(before === '' ? 0 : 4, -4)
    }),
  )
  const hex = bytes.toString('hex')
  return [...new Set([value, hex, hex.replaceAll(/..(?=.)/g, '$& '), bytes.join(), ...base64].map((form) => form.toLowerCase()))]
}

/** Of JSON (in however many texts of it within each other), JavaScript, HTML and URLs. */
const escapes = /\\+u([\da-f]{4})|\\+x([\da-f]{2})|&#x0*([\da-f]{1,6});?|%([\da-f]{2})|&#0*(\d{1,7});?/gi
const unescaped = (text: string): string =>
  text
    .replaceAll(escapes, (...[, unit, byte, reference, percent, decimal]: string[]) =>
      String.fromCharCode(decimal === undefined ? parseInt((unit ?? byte ?? reference ?? percent)!, 16) : parseInt(decimal, 10)),
    )
    .replaceAll('&amp;', '&')

/** Line ends within base64, as they stand and in JSON. */
const lineEnds = /(?<=[\w+/-])(?:\r|\n|\\+[rn])+(?=[\w+/-])/g

/** Where it stands in what was seen, in any form that docs/redaction.md promises to know; undefined where it does not. */
export function findCanary(seen: string, value = canary): string | undefined {
  const once = unescaped(seen)
  const texts = new Set([seen, once, unescaped(once), seen.replaceAll(lineEnds, '')].map((text) => text.toLowerCase()))
  for (const text of texts)
    for (const form of formsOf(value)) {
      const at = text.indexOf(form)
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
