/** What the adapters of all frameworks have in common: one tool or a set of them is wrapped, each with what `allow` says. */
import { checkList, checkObject, checkTable, printable, suggest } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { NamePattern } from '../register.js'
import type { Secrets } from '../seam.js'
import { refuseOthers } from './frameworks.js'
import { isPlain } from './shape.js'
import type { ToolGrant } from './tool-guard.js'
import { remember } from './wrapped.js'

/** Of one framework. */
export interface Adapter {
  /** Of the package, by which it is imported. */
  readonly subpath: string
  /** What is wrapped, for errors: "a tool of LangChain". */
  readonly what: string
  isTool(value: unknown): value is object
  /** Is this, in a set, a tool that somebody else runs, with no code of the app in it? It passes as it is. */
  isOfService?(value: object): boolean
  /** The name that the tool has itself, where it has one. */
  nameOf(tool: object): string | undefined
  /** The same tool, of the same type, guarded. */
  wrap(tool: object, grant: ToolGrant): object
}

export interface WithSecrets {
  /** @param options `allow`: what the tool may read. */
  <Tool extends object, Name extends string>(tool: Tool, options: { secrets: Secrets<Name>; allow: readonly NamePattern<NoInfer<Name>>[] }): Tool
  /**
   * @param options `allow`: by tool, what it may read. One that is not listed is wrapped and granted nothing.
   */
  // A list that is written out is a tuple, and one that frameworks take: with `const` it would be read-only.
  <Tools extends object | [], Name extends string>(tools: Tools, options: { secrets: Secrets<Name>; allow: Readonly<Record<string, readonly NamePattern<NoInfer<Name>>[]>> }): Tools
}

export function createWithSecrets(adapter: Adapter): WithSecrets {
  const withSecrets = (given: unknown, options: unknown): object => {
    const { secrets, allow } = optionsOf(given, options)
    refuseOthers(given, adapter.subpath, 'the first value')
    if (!adapter.isTool(given)) return wrapSet(adapter, given, secrets, allow)
    if (!Array.isArray(allow)) throw invalidConfig('options.allow', 'is no list', `for one tool the names that it may read, such as ['OPENAI_API_KEY']`)
    return wrapOne(adapter, given, { secrets, tool: adapter.nameOf(given) ?? 'tool', allow: allow as string[] })
  }
  return withSecrets
}

/**
 * Of a tool without functions of the app.
 * @throws SecretError `invalid-config` where it is granted what nothing in it could read.
 */
export function refuseGrant({ tool, allow }: ToolGrant): void {
  if (allow.length > 0)
    throw invalidConfig(
      `the tool "${tool}"`,
      'has no function that could read what it is granted',
      'a tool with `execute`, or an empty list in `allow` for one that somebody else runs',
    )
}

function wrapOne(adapter: Adapter, tool: object, grant: ToolGrant): object {
  const wrapped = remember(adapter.wrap(tool, grant), grant.secrets)
  const { execute } = wrapped as { execute?: unknown }
  // What takes tools of other frameworks may take that alone.
  if (typeof execute === 'function') remember(execute, grant.secrets)
  return wrapped
}

const usage = 'withSecrets(tools, { secrets, allow })'

function optionsOf(given: unknown, options: unknown): { readonly secrets: Secrets<never>; readonly allow: unknown } {
  if (options === undefined) throw invalidConfig('the second value', 'is missing', usage)
  if (isObject(given) && 'secrets' in given && 'allow' in given) throw invalidConfig('the first value', 'is what belongs behind the tools', usage)
  const { secrets, allow } = checkObject(options, 'options', ['secrets', 'allow'])
  if (allow === undefined)
    throw invalidConfig('options.allow', 'is missing', 'what may be read: for one tool a list of names, for several an object with a list for each; an empty one grants nothing')
  return { secrets: secrets as Secrets<never>, allow }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

interface Entry {
  readonly key: string
  readonly tool: object
  /** What the tool calls itself. */
  readonly own: string | undefined
  readonly isOfService: boolean
}

function wrapSet(adapter: Adapter, given: unknown, secrets: Secrets<never>, allow: unknown): object {
  const expected = `${adapter.what}, a list of such tools, or an object with one under each name`
  if (given instanceof Promise) throw invalidConfig('the first value', 'is a promise', 'what it gives: await it')
  // Of a map or a set of them nothing is found, and nothing would be left.
  if (!isObject(given) || (!isPlain(given) && Object.keys(given).length === 0)) throw invalidConfig('the first value', 'is no tool', expected)
  if (Array.isArray(allow)) throw misread(adapter, given, expected)
  const table = checkTable(allow, 'options.allow')
  const entries = Object.entries(given).map(([key, tool]: [string, unknown]) => entryOf(adapter, key, tool, Array.isArray(given)))
  const namesOf = Array.isArray(given) ? namesInList(adapter, entries, table) : namesInObject(entries)
  const known = entries.flatMap(namesOf)
  for (const name of Object.keys(table)) if (!known.includes(name)) throw invalidConfig(optionOf(name), 'is no tool of this set', oneOf(name, known))
  const wrapped = entries.map((entry) => {
    const name = namesOf(entry).find((one) => Object.hasOwn(table, one))
    const granted = name === undefined ? { allow: [] } : { allow: checkList(table[name], optionOf(name)) as string[], option: optionOf(name) }
    const grant = { secrets, tool: entry.own ?? entry.key, ...granted }
    if (!entry.isOfService) return [entry.key, wrapOne(adapter, entry.tool, grant)] as const
    refuseGrant(grant)
    return [entry.key, entry.tool] as const
  })
  return Array.isArray(given) ? wrapped.map(([, tool]) => tool) : Object.fromEntries(wrapped)
}

/** How errors name what `allow` says of one tool. */
export const optionOf = (name: string): string => `options.allow.${printable(name)}`

const oneOf = (name: string, known: readonly string[]): string =>
  known.length === 0 ? 'none, since the set is empty' : `${suggest(name, known)}one of ${known.map((one) => `"${one}"`).join(', ')}`

/** A list grants to one tool, and this is none: which of the two was meant otherwise? */
function misread(adapter: Adapter, given: object, expected: string): Error {
  const members: readonly unknown[] = Object.values(given)
  const isSet = members.length > 0 && members.every((member) => adapter.isTool(member) || isOfService(adapter, member))
  return isSet
    ? invalidConfig('options.allow', 'is a list, and what is wrapped is a set of tools', 'an object with a list of names for each tool')
    : invalidConfig('the first value', 'is no tool', expected)
}

function entryOf(adapter: Adapter, key: string, tool: unknown, isList: boolean): Entry {
  const where = isList ? `tools[${key}]` : `tools.${key}`
  refuseOthers(tool, adapter.subpath, where)
  if (adapter.isTool(tool)) return { key, tool, own: adapter.nameOf(tool), isOfService: false }
  if (!isOfService(adapter, tool)) throw invalidConfig(where, 'is no tool', adapter.what)
  const { name, id, type } = tool as Readonly<Record<string, unknown>>
  return { key, tool, own: [name, id, type, ...Object.keys(tool)].find((one) => typeof one === 'string'), isOfService: true }
}

const isOfService = (adapter: Adapter, value: unknown): value is object => isObject(value) && adapter.isOfService?.(value) === true

/** By the key, or by what the tool calls itself, as denials do: unless another tool has that for its key. */
function namesInObject(entries: readonly Entry[]): (entry: Entry) => readonly string[] {
  const keys = entries.map(({ key }) => key)
  return ({ key, own }) => (own === undefined || keys.includes(own) ? [key] : [key, own])
}

function namesInList(adapter: Adapter, entries: readonly Entry[], table: Readonly<Record<string, unknown>>): (entry: Entry) => readonly string[] {
  const seen = new Set<string>()
  for (const { key, own } of entries) {
    if (own === undefined)
      throw invalidConfig(`tools[${key}]`, 'has no name of its own, by which `allow` could name it', `an object with one under each name, each ${adapter.what}`)
    if (seen.has(own) && Object.hasOwn(table, own))
      throw invalidConfig(`tools[${key}]`, `has the name of another tool of the list, and \`allow\` grants to "${own}"`, 'another name for one of the two')
    seen.add(own)
  }
  return ({ own }) => [own!]
}
