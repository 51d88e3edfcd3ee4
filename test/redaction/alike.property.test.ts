/** Graphs that lead back to themselves: what is clean stays itself, and what leads to a value is told without it. */
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { KnownValues } from '../../src/redaction/known.js'
import { Redactor, type Reader } from '../../src/redaction/redactor.js'
import { redactValue } from '../../src/redaction/value.js'

const key = 'sk-live-4f9d2b7a81c6'
const reader: Reader = { mayName: () => true, found: () => undefined }
const known = new KnownValues()
known.add(key, 'KEY', 0)
const redactor = new Redactor(known)

class Instance {
  readonly #own = 1
  own(): number {
    return this.#own
  }
}
class Getting {
  readonly #held: unknown[] = []
  get held(): unknown {
    return this.#held[0]
  }
  hold(held: unknown): void {
    this.#held[0] ??= held
  }
}
/** Gives something else each time it is asked, with the same in it. */
class Fresh extends Getting {
  override get held(): unknown {
    return [{ held: super.held }]
  }
}
class Saying extends Getting {
  toJSON(): unknown {
    return { held: this.held }
  }
}
class Iterated extends Getting {
  *[Symbol.iterator](): Generator {
    yield this.held
  }
}
class OwnMap extends Map<unknown, unknown> {
  get first(): unknown {
    return [...this.values()][0]
  }
}
class OwnList extends Array<unknown> {
  get first(): unknown {
    return this[0]
  }
}

type Add = (held: unknown, name: string) => void
const kinds: Readonly<Record<string, () => [object, Add]>> = {
  instance: () => own(new Instance()),
  getter: () => getting(new Getting()),
  fresh: () => getting(new Fresh()),
  saying: () => getting(new Saying()),
  iterated: () => getting(new Iterated()),
  error: () => own(new Error('it failed')),
  function: () => own(() => undefined),
  date: () => own(new Date(0)),
  plain: () => own({}),
  plainGetter: () => {
    const made = {}
    return [made, (held, name) => Object.defineProperty(made, name, { get: () => [held], enumerable: true, configurable: true })]
  },
  array: () => list([]),
  ownList: () => list(new OwnList()),
  map: () => map(new Map()),
  ownMap: () => map(new OwnMap()),
  mapWithMembers: () => own(new Map()),
  set: () => {
    const made = new Set<unknown>()
    return [made, (held) => made.add(held)]
  },
}
/** Nobody knows what is in these, so that none stays itself that leads to one. */
const unclean: typeof kinds = {
  throwing: () => [
    new Proxy(new Instance(), {
      ownKeys: () => {
        throw new Error('not me')
      },
    }),
    () => undefined,
  ],
  throwingLate: () => {
    const made = { z: 1 }
    const proxy = new Proxy(made, {
      getPrototypeOf: () => Instance.prototype,
      getOwnPropertyDescriptor: (target, name) => {
        if (name === 'z') throw new Error('not me')
        return Reflect.getOwnPropertyDescriptor(target, name)
      },
    })
    return [
      proxy,
      (held, name) => {
        Object.assign(made, { [name]: held })
        // Last.
        Reflect.deleteProperty(made, 'z')
        Object.assign(made, { z: 1 })
      },
    ]
  },
}
const allKinds = { ...kinds, ...unclean }
const own = (made: object): [object, Add] => [made, (held, name) => Object.assign(made, { [name]: held })]
const getting = (made: Getting): [object, Add] => [made, (held) => made.hold(held)]
const list = (made: unknown[]): [object, Add] => [made, (held) => made.push(held)]
const map = (made: Map<unknown, unknown>): [object, Add] => [made, (held, name) => (name === 'a0' && typeof held === 'object' ? made.set(held, name) : made.set(name, held))]

const isItself = (made: unknown): boolean => typeof made === 'function' || made instanceof Instance || made instanceof Getting || made instanceof Error || made instanceof Date

interface Shape {
  readonly kinds: readonly string[]
  readonly edges: readonly (readonly [number, number])[]
  readonly root: number
}
const shapes = (names: readonly string[]): fc.Arbitrary<Shape> =>
  fc.record({
    kinds: fc.array(fc.constantFrom(...names), { minLength: 2, maxLength: 9 }),
    edges: fc.array(fc.tuple(fc.nat(8), fc.nat(8)), { minLength: 1, maxLength: 20 }),
    root: fc.nat(8),
  })

function build(shape: Shape): { readonly nodes: readonly [object, Add][]; readonly root: object } {
  const nodes = shape.kinds.map((kind) => allKinds[kind]!())
  const at = (place: number): [object, Add] => nodes[place % nodes.length]!
  shape.edges.forEach(([from, to], index) => {
    const held = at(to)[0]
    // With a function as a member these answer in another way than their class does, and a plain form stands for them.
    if (typeof held === 'function' && ['date', 'mapWithMembers'].includes(shape.kinds[from % nodes.length]!)) return
    at(from)[1](held, `a${index}`)
  })
  return { nodes, root: at(shape.root)[0] }
}

function attempt<Answer>(ask: () => Answer): Answer | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}

/** All that can be got at, each with what it leads to. */
function reached(root: unknown, isForTools: boolean): Map<unknown, readonly unknown[]> {
  const all = new Map<unknown, readonly unknown[]>()
  const left = [root]
  while (left.length > 0) {
    const one = left.pop()
    if (((typeof one !== 'object' || one === null) && typeof one !== 'function') || all.has(one)) {
      if (!all.has(one)) all.set(one, [])
      continue
    }
    const led: unknown[] = []
    for (let from: object | null = one; from !== null && from !== Object.prototype && from !== Function.prototype; from = Object.getPrototypeOf(from) as object | null)
      if (from === one || [Getting.prototype, Fresh.prototype, OwnMap.prototype, OwnList.prototype].includes(from as never))
        for (const name of attempt(() => Reflect.ownKeys(from)) ?? []) {
          const isOwn = from === one
          const { get } = attempt(() => Object.getOwnPropertyDescriptor(from, name)) ?? {}
          // The copy of what has private fields has none.
          if (isOwn || (get !== undefined && isForTools)) led.push(attempt(() => Reflect.get(one, name)))
        }
    if ('toJSON' in one) led.push(attempt(() => (one as Saying).toJSON()))
    if (Symbol.iterator in one && isForTools && !Array.isArray(one)) led.push(...(attempt(() => [...(one as Iterated)]) ?? []))
    if (one instanceof Map) led.push(...[...one].flat())
    if (one instanceof Set) led.push(...one)
    all.set(one, led)
    left.push(...led)
  }
  return all
}

const ways: readonly [string, boolean][] = [
  ['a logger', false],
  ['a tool', true],
]

it.each(ways)('what is clean stays itself, and what is shared stays shared: %s', (_, isForTools) => {
  fc.assert(
    fc.property(shapes(Object.keys(kinds)), (shape) => {
      const { root } = build(shape)
      const told = redactValue(redactor, reader, root, { isForTools, later: undefined })
      // Side by side: each has one that stands for it, which is itself where it is an instance.
      const pairs = new Map<unknown, unknown>()
      const left: [unknown, unknown][] = [[root, told]]
      while (left.length > 0) {
        const [one, other] = left.pop()!
        if ((typeof one !== 'object' && typeof one !== 'function') || one === null) continue
        if (pairs.has(one)) {
          expect(other).toBe(pairs.get(one))
          continue
        }
        pairs.set(one, other)
        if (isItself(one)) expect(other).toBe(one)
        if (one === other) continue
        for (const name of Reflect.ownKeys(one)) if (!(one instanceof Map)) left.push([Reflect.get(one, name), Reflect.get(other as object, name)])
        if (one instanceof Map) [...one].flat().forEach((member, index) => left.push([member, [...(other as Map<unknown, unknown>)].flat()[index]]))
        if (one instanceof Set) [...one].forEach((member, index) => left.push([member, [...(other as Set<unknown>)][index]]))
      }
      expect(new Set(pairs.values()).size).toBe(pairs.size)
    }),
    { numRuns: 2_000 },
  )
})

it.each(ways)('nothing holds a value, wherever it was: %s', (_, isForTools) => {
  fc.assert(
    fc.property(
      shapes(Object.keys(allKinds)),
      fc.nat(8),
      fc.constantFrom<(value: string) => unknown>(
        (value) => value,
        (value) => [value],
        (value) => Object.assign(new Instance(), { value }),
      ),
      (shape, place, wrap) => {
        const { nodes, root } = build(shape)
        const [at, add] = nodes[place % nodes.length]!
        add(wrap(key), 'value')
        const isReached = [...reached(root, isForTools).keys()].includes(key)
        const told = reached(redactValue(redactor, reader, root, { isForTools, later: undefined }), isForTools)
        expect([...told.keys()].filter((one) => typeof one === 'string' && one.includes(key))).toEqual([])
        for (const [index, kind] of shape.kinds.entries()) if (kind in unclean) expect(told.has(nodes[index]![0])).toBe(false)
        // Nor does anything in it lead to what held the value.
        if (isReached) expect(told.has(at)).toBe(false)
      },
    ),
    { numRuns: 2_000 },
  )
})
