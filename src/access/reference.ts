/** References, `[provider://]id[?version=…&stage=…][#field]`: where a name lives. They come from config only. */
import { checkTable, printable } from '../errors/check.js'
import { hidden } from '../errors/one-line.js'
import { invalidConfig } from '../errors/secret-error.js'
import { checkPattern, emptySegments, hasDotSegment, prefixOf } from './name.js'

/** Where a name lives, as config or `locate` says it. */
export interface Place {
  provider?: string | undefined
  id: string
  version?: string | undefined
  stage?: string | undefined
  field?: string | undefined
}

/** A part with at most one `*`: what stands before and after it. */
type Template = readonly [before: string, after?: string]

interface Reference {
  provider: string | undefined
  id: Template
  version: string | undefined
  stage: string | undefined
  field: Template | undefined
}

/** A pattern of the table, `prefix*`, and where its names live. */
export interface Rule {
  readonly prefix: string
  readonly place: (star: string) => Place
}

const form = '[provider://]id[?version=…&stage=…][#field], percent-encoded where needed'

export class References {
  readonly exact = new Map<string, Place>()
  /** Longest prefix first. */
  readonly rules: readonly Rule[]

  constructor(table: unknown, option = 'references') {
    const rules: Rule[] = []
    for (const [pattern, text] of Object.entries(table === undefined ? {} : checkTable(table, option))) {
      const path = `${option}["${printable(pattern)}"]`
      checkPattern(pattern, path)
      if (text === undefined) continue
      const reference = parse(text, path)
      const prefix = prefixOf(pattern)
      if (prefix !== undefined) rules.push({ prefix, place: (star) => fill(reference, star) })
      else if (hasStar(reference)) throw invalidConfig(path, 'has a "*", but its name is no pattern', 'a reference without "*" (write %2A for a literal one)')
      else this.exact.set(pattern, fill(reference, ''))
    }
    this.rules = rules.sort((left, right) => right.prefix.length - left.prefix.length)
  }

  /** The reference of a name: its own, or that of the longest pattern. */
  find(name: string): Place | undefined {
    const exact = this.exact.get(name)
    if (exact !== undefined) return exact
    const rule = this.rules.find(({ prefix }) => name.startsWith(prefix))
    return rule?.place(name.slice(rule.prefix.length))
  }

  /** Names of providers that references point to, with the path of one that does. */
  providers(): Map<string, string> {
    const found = new Map<string, string>()
    for (const [name, { provider }] of this.exact) if (provider !== undefined) found.set(provider, name)
    for (const { prefix, place } of this.rules) {
      const { provider } = place('x')
      if (provider !== undefined) found.set(provider, `${prefix}*`)
    }
    return found
  }
}

function parse(text: unknown, option: string): Reference {
  if (typeof text !== 'string') throw invalidConfig(option, 'is not a string', form)
  const scheme = /^([A-Za-z][\w.+-]*):\/\//.exec(text)
  const [beforeField = '', field, ...moreFields] = text.slice(scheme?.[0].length ?? 0).split('#')
  const [id = '', query, ...moreQueries] = beforeField.split('?')
  if (moreFields.length > 0 || moreQueries.length > 0) throw invalidConfig(option, 'has more than one "#" or "?"', form)
  if (id === '') throw invalidConfig(option, 'has no id', form)
  if (field === '') throw invalidConfig(option, 'has an empty field', form)
  const pins = parseQuery(query, option)
  const reference: Reference = { provider: scheme?.[1], id: template(id, option), ...pins, field: field === undefined ? undefined : template(field, option) }
  if (reference.id.length > 1 && (reference.field?.length ?? 0) > 1) throw invalidConfig(option, 'has more than one "*"', 'one "*" at most')
  return reference
}

function parseQuery(query: string | undefined, option: string): { version: string | undefined; stage: string | undefined } {
  const pins = new Map<string, string>()
  for (const part of query === undefined ? [] : query.split('&')) {
    const [key = '', value = '', ...more] = part.split('=')
    if ((key !== 'version' && key !== 'stage') || value === '' || more.length > 0 || value.includes('*') || pins.has(key)) {
      throw invalidConfig(option, 'has a query that is not understood', '?version=… or ?stage=…, each once and not empty')
    }
    pins.set(key, decode(value, option))
  }
  return { version: pins.get('version'), stage: pins.get('stage') }
}

function template(raw: string, option: string): Template {
  const parts = raw.split('*')
  if (parts.length > 2) throw invalidConfig(option, 'has more than one "*"', 'one "*" at most (write %2A for a literal one)')
  const [before = '', after] = parts.map((part) => decode(part, option))
  return after === undefined ? [before] : [before, after]
}

function decode(part: string, option: string): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(part)
  } catch {
    throw invalidConfig(option, 'has a "%" that encodes nothing', form)
  }
  if (hidden.test(decoded)) throw invalidConfig(option, 'has a control or direction character', form)
  return decoded
}

const hasStar = ({ id, field }: Reference): boolean => id.length > 1 || (field?.length ?? 0) > 1

function fill({ provider, id, version, stage, field }: Reference, star: string): Place {
  const put = ([before, after]: Template): string => (after === undefined ? before : before + star + after)
  const filled = put(id)
  const isStepped = id.length > 1 && (hasDotSegment(filled) || filled === '' || emptySegments(filled) > emptySegments(`${id[0]}x${id[1] ?? ''}`))
  // What a name brings must not become a step of the path, as `a*` → `x/*` would let `a..` do.
  if (isStepped) throw invalidConfig('name', 'makes an empty, "." or ".." segment of its reference', 'another name')
  if (field !== undefined && put(field) === '') throw invalidConfig('name', 'leaves the field of its reference empty', 'a longer name')
  return { provider, id: filled, version, stage, field: field === undefined ? undefined : put(field) }
}
