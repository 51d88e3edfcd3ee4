/** What stands for somebody's object or function, and is taken for it. */

/** The same object to whoever looks at it, with other members in place of some of its own. */
export function withMembers<Wrapped extends object>(object: Wrapped, members: Readonly<Record<PropertyKey, unknown>>): Wrapped {
  const wrapped = Object.create(object) as Wrapped
  for (const key of Reflect.ownKeys(members)) Object.defineProperty(wrapped, key, { value: members[key as string], enumerable: true, writable: true, configurable: true })
  return wrapped
}

/** The same for objects that have private fields: their methods are called on the objects themselves. */
export function withBound<Wrapped extends object>(object: Wrapped, members: Readonly<Record<string, unknown>>): Wrapped {
  return new Proxy(object, {
    get(target, key) {
      if (typeof key === 'string' && Object.hasOwn(members, key)) return members[key]
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/**
 * The same for objects that are gone through by their own members: those are copied, but for these. What is made of a frozen one can be changed, and a getter has said
 * what it says: whoever made it may learn something.
 */
export function copyWith(object: object, members: object): object {
  const descriptors: PropertyDescriptorMap = { ...Object.getOwnPropertyDescriptors(object), ...Object.getOwnPropertyDescriptors(members) }
  for (const key of Reflect.ownKeys(descriptors)) {
    const { enumerable = false, ...descriptor } = descriptors[key]!
    descriptors[key] = { value: 'value' in descriptor ? descriptor.value : (Reflect.get(object, key) as unknown), enumerable, writable: true, configurable: true }
  }
  return Object.create(Object.getPrototypeOf(object) as object, descriptors) as object
}

/** Gives a function the name and the length of another: some callers look at how many values it takes. */
export function likeFunction<Wrapped extends object>(wrapped: Wrapped, original: { readonly name: string; readonly length: number }): Wrapped {
  for (const key of ['name', 'length'] as const) Object.defineProperty(wrapped, key, { value: original[key], configurable: true })
  return wrapped
}

/** What is made with `new`, and is no function to be called. */
export const isClass = (value: object): boolean => /^class\b/.test(Function.prototype.toString.call(value))

/** Data that is gone through by its members; everything else is an instance of somebody's class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Array.isArray(value)
}

/** Is it an object of data and nothing else, however deep? None of it runs. */
export const isDescription = (value: object): boolean => isPlain(value) && !Array.isArray(value) && Object.keys(value).length > 0 && isJson(value)

/** Deeper is no description of a tool. */
const deepest = 100

function isJson(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function'
  return depth < deepest && isPlain(value) && Object.values(value).every((member) => isJson(member, depth + 1))
}

/** By what it says of itself: to look at the global of a class loads all of the runtime's fetch, which takes longer than most tools. */
export const isTagged = (value: object, ...tags: readonly string[]): boolean => tags.some((tag) => Object.prototype.toString.call(value) === `[object ${tag}]`)
