import { inspect } from 'node:util'
import { createCanary } from '../../src/testing/canary.js'

export const canary = createCanary()

/** Every text that a value turns into where it is printed, logged or sent. */
export function textsOf(value: unknown): readonly string[] {
  const seen = new Set<unknown>()
  const texts: string[] = []
  const add = (make: () => unknown): void => {
    try {
      texts.push(String(make()))
    } catch {
      // What cannot be printed shows nothing.
    }
  }
  const visit = (one: unknown): void => {
    if (seen.has(one)) return
    seen.add(one)
    add(() => one)
    add(() => JSON.stringify(one))
    add(() => inspect(one, { showHidden: true, depth: 10, maxStringLength: Infinity }))
    if (!(one instanceof Promise)) add(() => inspect(one, { showHidden: true, depth: 10, customInspect: false, maxStringLength: Infinity }))
    if ((typeof one !== 'object' && typeof one !== 'function') || one === null) return
    for (let link: object | null = one; link !== null && link !== Object.prototype && link !== Function.prototype; link = Object.getPrototypeOf(link) as object | null) {
      for (const key of Reflect.ownKeys(link)) {
        texts.push(String(key))
        try {
          visit(Reflect.get(link, key, one))
        } catch {
          // A getter that throws shows nothing.
        }
      }
    }
  }
  visit(value)
  return texts
}

/** How the canary can be found in what a value shows; undefined where it cannot. */
export function leakIn(value: unknown): string | undefined {
  for (const text of textsOf(value)) {
    const found = canary.foundIn(text)
    if (found !== undefined) return `${found}: ${text.slice(0, 300)}`
  }
  return undefined
}
