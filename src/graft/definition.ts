/** Tools as Graft has them, and as others do. */
import { remember, wrappedWith } from '../agents/wrapped.js'
import { invalidConfig } from '../errors/secret-error.js'

/** A schema in JSON. */
export type JsonSchema = Readonly<Record<string, unknown>>

export interface ToolContext {
  /** Aborts when nobody waits for the call any more: the agent has given it up, or its time is over. */
  readonly signal: AbortSignal
}

export interface GraftDefinition {
  readonly name: string
  readonly description: string
  readonly schema: JsonSchema
}

/** One that can be served. `execute` is given what the model sent, which nothing has checked against the schema. */
export interface GraftTool<Input = never> extends GraftDefinition {
  readonly execute: (input: Input, context: ToolContext) => unknown
}

/** A tool as MCP, the AI SDK, LangChain or an API of a model has it; what it does under whichever of these names. */
export interface OtherDefinition {
  readonly name?: string
  /** One that is made for each call, as the AI SDK has it, is left out: Graft tells a model what a tool is once. */
  readonly description?: string | ((...values: never[]) => string | PromiseLike<string>) | undefined
  /** A schema in JSON, or one that tells its JSON, as those of zod do. */
  readonly inputSchema?: unknown
  readonly schema?: unknown
  readonly parameters?: unknown
  readonly execute?: unknown
  readonly invoke?: unknown
}

export interface McpDefinition {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonSchema
}

type Values = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Values => (typeof value === 'object' || typeof value === 'function') && value !== null
const schemaKeys = ['inputSchema', 'schema', 'parameters'] as const
const isDefinition = (value: Values): boolean => schemaKeys.some((key) => isObject(value[key])) || typeof value['execute'] === 'function' || typeof value['invoke'] === 'function'

/** What is made for the options of another framework is given the context of Graft in their place. */
type Runs<Run> = Run extends (input: never, context: ToolContext) => unknown
  ? Run
  : Run extends (...values: never[]) => infer Result
    ? (input: Readonly<Record<string, unknown>>, context: ToolContext) => Result
    : Run

type ToGraft<Definition> = GraftDefinition &
  (Definition extends { execute: infer Run } ? { readonly execute: Runs<Run> } : Definition extends { invoke: infer Run } ? { readonly execute: Runs<Run> } : unknown)

/**
 * A tool of MCP, the AI SDK or LangChain as Graft has it, or a list of them, or an object with one under each name.
 * @throws SecretError `invalid-config` for a tool without a name, and for a schema that does not tell its JSON.
 */
export function toGraft<Definition extends OtherDefinition>(tools: readonly Definition[]): ToGraft<Definition>[]
export function toGraft<Definition extends OtherDefinition>(tool: Definition): ToGraft<Definition>
export function toGraft<Definition extends OtherDefinition>(tools: Readonly<Record<string, Definition>>): ToGraft<Definition>[]
export function toGraft(tools: unknown): unknown {
  if (!isObject(tools)) throw invalidConfig('tools', 'is no tool', 'a tool with a name and a schema, a list of them, or an object with one under each name')
  if (Array.isArray(tools)) return tools.map((tool: unknown, index) => converted(tool, undefined, `tools[${index}]`))
  if (isDefinition(tools)) return converted(tools, undefined, 'the tool')
  return Object.entries(tools).map(([name, tool]) => converted(tool, name, `tools.${name}`))
}

function converted(tool: unknown, key: string | undefined, where: string): GraftDefinition {
  if (!isObject(tool)) throw invalidConfig(where, 'is no tool', 'an object with a name and a schema')
  const name = typeof tool['name'] === 'string' && tool['name'] !== '' ? tool['name'] : key
  if (name === undefined) throw invalidConfig(`${where}.name`, 'is missing', 'the name that the model calls it by; or an object with one tool under each name')
  const { description } = tool
  const schema = schemaKeys.map((known) => tool[known]).find(isObject)
  const run = runOf(tool)
  return {
    name,
    description: typeof description === 'string' ? description : '',
    schema: schema === undefined ? { type: 'object', properties: {} } : jsonOf(schema, `${where}: its schema`),
    ...(run === undefined ? {} : { execute: run }),
  }
}

function runOf(tool: Values): unknown {
  const { execute, invoke } = tool
  if (typeof execute === 'function') return execute
  // LangChain's is a method, whose second value is a config.
  if (typeof invoke !== 'function') return undefined
  const run = (input: unknown, context?: ToolContext): unknown => Reflect.apply(invoke, tool, [input, { signal: context?.signal }])
  const secrets = wrappedWith(tool)
  return secrets === undefined ? run : remember(run, secrets)
}

/** By what schemas have in common: the AI SDK's own, zod's, and those of https://standardschema.dev/json-schema. */
function jsonOf(schema: Values, where: string): JsonSchema {
  const own = jsonIn(schema)
  if (own !== undefined) return own
  if (Object.hasOwn(schema, '_def') || '~standard' in schema || typeof schema === 'function')
    throw invalidConfig(where, 'does not tell its JSON', 'a schema in JSON, such as z.toJSONSchema(schema) makes')
  return structuredClone(schema)
}

function jsonIn(schema: Values): JsonSchema | undefined {
  const { jsonSchema, toJSONSchema } = schema
  if (isObject(jsonSchema) && typeof jsonSchema !== 'function') return structuredClone(jsonSchema)
  if (typeof toJSONSchema === 'function') return withoutDialect(Reflect.apply(toJSONSchema, schema, []) as JsonSchema)
  const standard = schema['~standard']
  const { input } = isObject(standard) && isObject(standard['jsonSchema']) ? standard['jsonSchema'] : {}
  return typeof input === 'function' ? withoutDialect(Reflect.apply(input, undefined, [{ target: 'draft-07' }]) as JsonSchema) : undefined
}

/** Graft hands a schema to the model's API, which knows no dialects. */
function withoutDialect({ $schema: _, ...schema }: JsonSchema): JsonSchema {
  return schema
}

type FromGraft<Definition> = McpDefinition & (Definition extends { execute: infer Execute } ? { readonly execute: Execute } : unknown)

/**
 * A tool of Graft as MCP and the AI SDK have it, or a list of them.
 * @throws SecretError `invalid-config` for what is no definition of Graft.
 */
export function fromGraft<Definition extends GraftDefinition>(tools: readonly Definition[]): FromGraft<Definition>[]
export function fromGraft<Definition extends GraftDefinition>(tool: Definition): FromGraft<Definition>
export function fromGraft(tools: GraftDefinition | readonly GraftDefinition[]): unknown {
  return Array.isArray(tools) ? tools.map((tool: unknown, index) => back(tool, `tools[${index}]`)) : back(tools, 'the tool')
}

function back(tool: unknown, where: string): McpDefinition {
  if (!isObject(tool) || typeof tool['name'] !== 'string' || !isObject(tool['schema']))
    throw invalidConfig(where, 'is no definition of Graft', 'an object with a name, a description and a schema in JSON, or a list of them')
  const { name, description, schema } = tool as unknown as GraftDefinition
  const { execute } = tool as Partial<GraftTool>
  return { name, description, inputSchema: structuredClone(schema), ...(execute === undefined ? {} : { execute }) }
}
