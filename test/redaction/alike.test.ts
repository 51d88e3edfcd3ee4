/** What an instance leads to: it stays itself only where nothing that it leads to is another. */
import { inspect } from 'node:util'
import { createContext, runInContext } from 'node:vm'
import { describe, expect, it, vi } from 'vitest'
import { getSecret, guard } from '../../src/agents/index.js'
import { createSecrets } from '../../src/index.js'
import { redactValue } from '../../src/redaction/index.js'
import { hidingPlain } from '../agents/attacks/objects.js'

const key = 'sk-live-4f9d2b7a81c6'
const marker = '[secret KEY]'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
await secrets.getSecret('KEY')

/** By a logger and by a tool. */
const ways: readonly [string, (make: (value: string) => unknown) => Promise<unknown>][] = [
  ['redactValue', async (make) => redactValue(secrets, make(key))],
  ['a tool', async (make) => guard(async () => make(await getSecret('KEY')), { secrets, tool: 'search', allow: ['KEY'] })()],
]
const seen = (value: unknown): string => inspect(value, { depth: 12, showHidden: true, getters: true })

class Holder {
  readonly held: unknown
  constructor(held: unknown) {
    this.held = held
  }
}
class Parent {
  readonly child: Holder
  readonly key: string
  readonly #name = 'parent'
  constructor(value: string, wrap = (parent: unknown): Holder => new Holder(parent)) {
    this.child = wrap(this)
    this.key = value
  }
  get name(): string {
    return this.#name
  }
}
class FirstOfMap extends Map<unknown, unknown> {
  get first(): unknown {
    return this.get(1)
  }
}
class FirstOfBytes extends Uint8Array {
  get first(): unknown {
    return this[0]
  }
}
class LastOfList extends Array<unknown> {
  get last(): unknown {
    return this[this.length - 1]
  }
}
class Graph {
  readonly #total = 7
  nodes: unknown
  total(): number {
    return this.#total
  }
  fill<Nodes>(nodes: Nodes, add: (nodes: Nodes, item: Holder) => void): void {
    this.nodes = nodes
    add(nodes, new Holder(nodes))
  }
}
const graphOf = (fill: (graph: Graph) => void): new () => Graph =>
  class extends Graph {
    constructor() {
      super()
      fill(this)
    }
  }
class OwnList extends Array<unknown> {}
const realm = createContext({})
const inRealm = (code: string, value: string): unknown => (runInContext(`(value) => (${code})`, realm) as (value: string) => unknown)(value)

describe.each(ways)('instances that lead back to one another: %s', (_, clean) => {
  it.each<[string, (value: string) => unknown]>([
    ['one that is looked at before what it leads back to', (value) => new Parent(value)],
    ['several on the way', (value) => new Parent(value, (parent) => new Holder(new Holder([new Holder({ parent })])))],
    ['one beside the way', (value) => [new Parent(value, (parent) => new Holder(parent)), 1]],
    ['a function with members', (value) => new Parent(value, (parent) => new Holder(Object.assign(() => undefined, { parent })))],
    ['a map with members', (value) => new Parent(value, (parent) => new Holder(Object.assign(new Map(), { parent })))],
    [
      'errors',
      (value) => {
        const error = new Error('a')
        return Object.assign(error, { cause: new Error('b', { cause: error }), key: value })
      },
    ],
    [
      'a ring of which one other member holds it',
      (value) => {
        const ring = { first: new Holder(undefined), second: new Holder(undefined), third: new Holder(undefined) }
        Object.assign(ring.first, { held: ring.second })
        Object.assign(ring.second, { held: ring.third })
        Object.assign(ring.third, { held: ring.first, later: new Holder(value) })
        return ring
      },
    ],
  ])('tell nothing: %s', async (_what, make) => {
    expect(seen(await clean(make))).not.toContain(key)
  })

  it('stay themselves where all are clean, and lead to whole copies where one is not', async () => {
    const whole = new Parent('clean', (parent) => new Holder(new Holder({ parent })))
    expect(await clean(() => whole)).toBe(whole)
    const told = (await clean(() => [whole.child, whole, Object.assign(() => undefined, { whole })])) as unknown[]
    expect([told[0], told[1]]).toEqual([whole.child, whole])
    expect(told[0]).toBe(whole.child)
    const parent = (await clean((value) => new Parent(value))) as Parent
    expect([parent.key, parent.child instanceof Holder, parent.child.held]).toEqual([marker, true, parent])
  })

  it('are compared once, however many share what they lead to', async () => {
    const shared: unknown[] = []
    const root = new Holder(shared)
    const led = Array.from({ length: 300 }, () => ({ root }))
    for (let count = 0; count < 300; count++) shared.push(new Holder(led))
    const looks = vi.spyOn(Reflect, 'ownKeys')
    try {
      expect(await clean(() => root)).toBe(root)
      expect(looks.mock.calls.length).toBeLessThan(20_000)
    } finally {
      looks.mockRestore()
    }
  })

  it('is given in whole where a list has both it and what leads back to it', async () => {
    const holder = Object.assign(new Holder('clean'), { list: [] as unknown[] })
    holder.list.push(holder)
    const told = (await clean(() => [holder, holder.list])) as [Holder, [Holder]]
    expect(told[0]).toBe(holder)
    expect(told[1][0]).toBe(holder)
  })

  it.each<[string, new () => Graph]>([
    ['a list', graphOf((graph) => graph.fill([] as unknown[], (nodes, item) => nodes.push(item)))],
    ['a map', graphOf((graph) => graph.fill(new Map<unknown, unknown>(), (nodes, item) => nodes.set('item', item)))],
    ['a map, as its key', graphOf((graph) => graph.fill(new Map<unknown, unknown>(), (nodes, item) => nodes.set(item, item)))],
    ['a set', graphOf((graph) => graph.fill(new Set<unknown>(), (nodes, item) => nodes.add(item)))],
    ['an object', graphOf((graph) => graph.fill({}, (nodes, item) => Object.assign(nodes, { item })))],
    ['a list in a list', graphOf((graph) => graph.fill([[]] as unknown[][], (nodes, item) => nodes[0]!.push(item, nodes)))],
    ['a map of a class', graphOf((graph) => graph.fill(new FirstOfMap(), (nodes, item) => nodes.set(1, item)))],
    ['a map with members', graphOf((graph) => graph.fill(Object.assign(new Map(), { graph }), (nodes, item) => nodes.set(1, item)))],
    ['a list of a class', graphOf((graph) => graph.fill(new LastOfList(), (nodes, item) => nodes.push(item)))],
    ['a list with members', graphOf((graph) => graph.fill(Object.assign([] as unknown[], { graph }), (nodes, item) => nodes.push(item)))],
    ['a date with members', graphOf((graph) => graph.fill(Object.assign(new Date(0), { graph }), (nodes, item) => Object.assign(nodes, { item })))],
  ])('that lead back to what holds them stay themselves: %s', async (_what, Made) => {
    const graph = new Made()
    const told = (await clean(() => graph)) as Graph
    expect(told).toBe(graph)
    expect(told.total()).toBe(7)
    const dirty = (await clean((value) => Object.assign(new Made(), { value }))) as Graph
    expect(dirty).toBeInstanceOf(Made)
    expect(seen(dirty)).not.toContain(key)
  })

  it('a function that leads back to a list stays itself wherever it is', async () => {
    const list: unknown[] = []
    const run = Object.assign(() => 1, { list })
    list.push(run)
    const told = (await clean(() => [run, list, new Set([run]), new Map([[run, run]])])) as [unknown, unknown[], Set<unknown>, Map<unknown, unknown>]
    expect([told[0], told[1][0], [...told[2]], [...told[3]]]).toEqual([run, run, [run], [[run, run]]])
  })
})

describe.each(ways)('an instance whose member has the same members as its copy, and is another: %s', (_, clean) => {
  it.each<[string, (value: string) => unknown]>([
    ['a map of another realm', (value) => inRealm('new Map([[value, value]])', value)],
    ['a set of another realm', (value) => inRealm('new Set([value])', value)],
    ['a map with members', (value) => Object.assign(new Map(), { value })],
    ['a set with members', (value) => Object.assign(new Set(), { value })],
    [
      'a map that is shown otherwise',
      (value) =>
        new (class extends Map {
          [inspect.custom](): string {
            return value
          }
        })(),
    ],
    ['a list of a class of that name', (value) => new ({ [value]: class extends Array {} })[value]!()],
    ['an error of a class of that name', (value) => new ({ [value]: class extends Error {} })[value]!('x')],
  ])('%s', async (_what, make) => {
    expect(seen(await clean((value) => new Holder(make(value))))).not.toContain(key)
  })

  it('stays itself with clean ones', async () => {
    for (const held of [
      inRealm('new Map([[1, [2]]])', ''),
      inRealm('new Set([1])', ''),
      inRealm('[1, [2]]', ''),
      Object.assign(new Map([[1, 2]]), { own: 1 }),
      new FirstOfMap([[1, 'a']]),
      new OwnList(1, 2),
      Object.assign([1, 2], { index: 0 }),
      {
        get made(): unknown {
          return [new Holder({ list: [new Map([[1, new Date(0)]])] })]
        },
      },
      new FirstOfBytes(3),
      Object.assign(() => undefined, { own: { list: [1] } }),
    ]) {
      const holder = new Holder(held)
      expect(await clean(() => holder)).toBe(holder)
    }
  })
})

describe('of a tool an instance is told without what its members hide:', () => {
  const [, [, clean]] = ways as [unknown, [string, (make: (value: string) => unknown) => Promise<unknown>]]
  it.each<[string, (value: string) => unknown]>([
    [
      'a getter of a map',
      (value) =>
        new (class extends Map {
          get told(): string {
            return value
          }
        })(),
    ],
    [
      'a getter of a list',
      (value) =>
        new (class extends Array {
          get told(): string {
            return value
          }
        })(),
    ],
    [
      'a getter of bytes',
      (value) =>
        new (class extends Uint8Array {
          get told(): string {
            return value
          }
        })(2),
    ],
    ['a Proxy', (value) => hidingPlain({ told: value })],
    ['a Proxy of a list', (value) => new Proxy([], { get: (target, name): unknown => (name === 'told' ? value : Reflect.get(target, name)) })],
  ])('%s', async (_what, make) => {
    const { held } = (await clean((value) => new Holder(make(value)))) as { held: { told?: unknown } }
    expect(held.told).not.toBe(key)
  })
})
