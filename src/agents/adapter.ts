/** What the adapters of all frameworks have in common: one tool or a set of them is wrapped, each with what `allow` says. */
import { checkList, checkObject, checkTable, suggest } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { NamePattern } from '../register.js'
import type { Secrets } from '../seam.js'
import type { ToolGrant } from './tool-guard.js'

/** Of one framework. */
export interface Adapter {
  /** What is wrapped, for errors: "a tool of LangChain". */
  readonly what: string
  isTool(value: unknown): value is object
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
    const { secrets, allow } = checkObject(options, 'options', ['secrets', 'allow']) as { secrets: Secrets<never>; allow: unknown }
    if (adapter.isTool(given)) {
      if (!Array.isArray(allow)) throw invalidConfig('options.allow', 'is no list', `for one tool the names that it may read, such as ['OPENAI_API_KEY']`)
      return adapter.wrap(given, { secrets, tool: adapter.nameOf(given) ?? 'tool', allow: allow as string[] })
    }
    return wrapSet(adapter, given, secrets, allow)
  }
  return withSecrets
}

function wrapSet(adapter: Adapter, given: unknown, secrets: Secrets<never>, allow: unknown): object {
  const expected = `${adapter.what}, a list of such tools, or an object with one under each name`
  if (typeof given !== 'object' || given === null) throw invalidConfig('the first value', 'is no tool', expected)
  const table = Array.isArray(allow) ? undefined : checkTable(allow, 'options.allow')
  if (table === undefined) throw invalidConfig('options.allow', 'is a list, and what is wrapped is no tool', `${expected}; for a set an object with a list of names for each tool`)
  const isList = Array.isArray(given)
  const entries = Object.entries(given).map(([key, tool]: [string, unknown]) => {
    if (!adapter.isTool(tool)) throw invalidConfig(isList ? `tools[${key}]` : `tools.${key}`, 'is no tool', adapter.what)
    return { key, tool, name: isList ? (adapter.nameOf(tool) ?? key) : key }
  })
  const names = entries.map(({ name }) => name)
  for (const name of Object.keys(table))
    if (!names.includes(name))
      throw invalidConfig(`options.allow.${name}`, 'is no tool of this set', `${suggest(name, names)}one of ${names.map((known) => `"${known}"`).join(', ')}`)
  const wrapped = entries.map(({ key, tool, name }) => {
    const names = Object.hasOwn(table, name) ? checkList(table[name], `options.allow.${name}`) : []
    return [key, adapter.wrap(tool, { secrets, tool: adapter.nameOf(tool) ?? name, allow: names as string[] })] as const
  })
  return isList ? wrapped.map(([, tool]) => tool) : Object.fromEntries(wrapped)
}
