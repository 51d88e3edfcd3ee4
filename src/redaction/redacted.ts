export const inspect = Symbol.for('nodejs.util.inspect.custom')

/** What stands in place of a secret wherever it would be printed. */
export const mark = (name: string): string => `[secret ${name}]`

const nameKey = Symbol('keyward.name')
// A method, since a function would bring a prototype object that all promises share.
const inspection = {
  inspect(this: { [nameKey]?: string }): string {
    return mark(this[nameKey] ?? '')
  },
}
const pinned: PropertyDescriptorMap = {
  // Without these, whoever holds a stored promise could make every later reader of the view call code of theirs.
  // oxlint-disable-next-line unicorn/no-thenable -- pins what a promise has already
  then: { value: Promise.prototype.then },
  catch: { value: Promise.prototype.catch },
  finally: { value: Promise.prototype.finally },
  [inspect]: { value: Object.freeze(inspection.inspect) },
  // The last, where V8 looks first: each `await` looks it up.
  constructor: { value: Promise },
}

/** A promise that does not print its value and whose methods nobody can replace. Not frozen: frozen promises crash under async hooks. */
export function pin<Value>(promise: Promise<Value>, name: string): Promise<Value> {
  return Object.defineProperties(Object.defineProperty(promise, nameKey, { value: name }), pinned)
}
