/** The marks by which tools of one framework are told from those of the others: what the wrong adapter wraps would be guarded in part, or not at all. */
import { invalidConfig } from '../errors/secret-error.js'

type Members = Readonly<Record<string, unknown>>

interface Framework {
  readonly name: string
  /** The subpath of the package that has its `withSecrets`. */
  readonly subpath: string
  readonly isOne: (tool: Members) => boolean
}

const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null

const frameworks: readonly Framework[] = [
  // A step has no mark of its own, and members that no other tool has.
  { name: 'Mastra', subpath: 'keyward/mastra', isOne: (tool) => Symbol.for('mastra.core.tool.Tool') in tool || 'suspendSchema' in tool },
  { name: 'TanStack AI', subpath: 'keyward/tanstack-ai', isOne: (tool) => '__toolSide' in tool },
  { name: 'LangChain', subpath: 'keyward/langchain', isOne: (tool) => typeof tool['_call'] === 'function' && 'lc_namespace' in tool },
  { name: 'the Agents SDK of OpenAI', subpath: 'keyward/openai-agents', isOne: (tool) => tool['type'] === 'function' && typeof tool['invoke'] === 'function' },
  {
    name: 'Graft',
    subpath: 'keyward/graft',
    isOne: (tool) => typeof tool['name'] === 'string' && typeof tool['execute'] === 'function' && isObject(tool['schema']) && !('inputSchema' in tool),
  },
]

/**
 * @param subpath Of the adapter that was given this.
 * @param where How an error names it.
 * @throws SecretError `invalid-config` for a tool of another framework.
 */
export function refuseOthers(tool: unknown, subpath: string, where: string): void {
  if (!isObject(tool)) return
  const found = frameworks.find(({ isOne }) => isOne(tool))
  if (found !== undefined && found.subpath !== subpath)
    throw invalidConfig(where, `is a tool of ${found.name}`, `withSecrets of ${found.subpath} for it; this one is of ${subpath}`)
}
