/** Data that JSON tells whole: most of what tools return. Of it one look at its text says whether it is clean, where a look at each of its texts costs forty times that. */

/** Objects of one value, and how deep they lie: beyond these it is no longer plain. */
const mostObjects = 10_000
const deepest = 100

/** Stands for: JSON would not tell it whole. */
const unfit = Symbol('unfit')

/**
 * A copy of data of which JSON tells every part, and all texts in it, each on lines of its own; undefined where there is anything else in it, such as an instance of a
 * class or a symbol. What is known across several of its texts is found in its JSON alone.
 */
export function plainForm(value: object): { readonly copy: object; readonly text: string } | undefined {
  try {
    const copier = new Copier()
    const copy = copier.copy(value, 0)
    return copy === unfit ? undefined : { copy: copy as object, text: copier.text }
  } catch {
    // What throws when it is read.
    return undefined
  }
}

class Copier {
  text = ''
  #objects = 0

  copy(value: unknown, depth: number): unknown {
    if (typeof value === 'string') {
      this.text += `${value}\n`
      return value
    }
    if (typeof value === 'boolean' || value === null) return value
    if (typeof value === 'number') {
      this.text += `${value}\n`
      return Number.isFinite(value) ? value : unfit
    }
    if (typeof value !== 'object') return value === undefined && depth > 0 ? value : unfit
    this.#objects += 1
    if (depth > deepest || this.#objects > mostObjects) return unfit
    return Array.isArray(value) ? this.#list(value, depth) : this.#record(value as Readonly<Record<string, unknown>>, depth)
  }

  #list(value: readonly unknown[], depth: number): unknown {
    // The length is a member; holes and other members are none of a plain list.
    if (Reflect.ownKeys(value).length !== value.length + 1) return unfit
    const copy: unknown[] = []
    for (const member of value) {
      const copied = this.copy(member, depth + 1)
      if (copied === unfit || member === undefined) return unfit
      copy.push(copied)
    }
    return copy
  }

  #record(value: Readonly<Record<string, unknown>>, depth: number): unknown {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return unfit
    const keys = Object.keys(value)
    if (Reflect.ownKeys(value).length !== keys.length) return unfit
    const copy: Record<string, unknown> = prototype === null ? (Object.create(null) as Record<string, unknown>) : {}
    for (const key of keys) {
      const copied = key === '__proto__' ? unfit : this.copy(value[key], depth + 1)
      if (copied === unfit) return unfit
      this.text += `${key}\n`
      copy[key] = copied
    }
    return copy
  }
}
