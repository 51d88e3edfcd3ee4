/** What an object says of itself, and what a copy of it says in its place. */
import { hints, inspected, primitiveOf, tagOf, textBy } from './objects.js'

type Redact = (text: string) => string

/** The cleaned text that it makes of itself, where that would show a value. */
export function shownOf(value: object, redact: Redact): string | undefined {
  for (const text of [textBy(value, inspected), textBy(value, 'toString'), tagOf(value), ...hints.map((hint) => primitiveOf(value, hint))]) {
    if (text === undefined) continue
    const cleaned = redact(text)
    if (cleaned !== text) return cleaned
  }
  return undefined
}

/** What it says of itself, cleaned: for a person, and in expressions. */
export function saidBy(value: object, redact: Redact): readonly (readonly [PropertyKey, (hint?: unknown) => string])[] {
  const said = ([inspected, 'toString'] as const).flatMap((key) => {
    const text = textBy(value, key)
    if (text === undefined) return []
    const cleaned = redact(text)
    return [[key, () => cleaned] as const]
  })
  const texts = hints.map((hint) => [hint, primitiveOf(value, hint)] as const)
  if (!texts.some(([, text]) => text !== undefined && redact(text) !== text)) return said
  const cleaned = new Map<unknown, string>(texts.map(([hint, text]) => [hint, redact(text ?? '')]))
  return [...said, [Symbol.toPrimitive, (hint) => cleaned.get(hint) ?? '']]
}

export function say(copy: object, said: readonly (readonly [PropertyKey, unknown])[]): void {
  for (const [key, answer] of said) Object.defineProperty(copy, key, { value: answer, writable: true, configurable: true, enumerable: false })
}
