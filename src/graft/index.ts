/** Tools for Graft, a framework of agents in Go, which calls tools of other languages by the Model Context Protocol: wrapped, converted and served as it speaks. */
import { createWithSecrets } from '../agents/adapter.js'
import { guardFunction } from '../agents/guard.js'
import { withMembers } from '../agents/shape.js'
import type { GraftTool } from './definition.js'

export { fromGraft, toGraft, type GraftDefinition, type GraftTool, type JsonSchema, type McpDefinition, type OtherDefinition, type ToolContext } from './definition.js'
export { serveHttp, type HttpOptions, type HttpServing } from './http.js'
export type { ServeOptions, Tools } from './serve.js'
export { serveStdio } from './stdio.js'

/** Wraps a definition `{ name, description, schema, execute }`, or a list or object of them: the same definitions, guarded. */
export const withSecrets = createWithSecrets({
  subpath: 'keyward/graft',
  what: 'a definition { name, description, schema, execute }',
  isTool: (value): value is GraftTool =>
    typeof value === 'object' && value !== null && typeof (value as GraftTool).execute === 'function' && typeof (value as GraftTool).name === 'string',
  nameOf: (tool) => (tool as GraftTool).name,
  wrap(tool, grant) {
    const execute = guardFunction((tool as GraftTool).execute, grant)
    // Of a plain object those who copy it want all members.
    return Object.getPrototypeOf(tool) === Object.prototype ? { ...tool, execute } : withMembers(tool, { execute })
  },
})
