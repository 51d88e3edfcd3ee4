/** Which of the names of `allow` a request is for. */

/** What an `McpServer` has registered, in both versions of the SDK; its records are no part of its types. */
export interface Registry {
  readonly _registeredTools?: Readonly<Record<string, unknown>>
  readonly _registeredPrompts?: Readonly<Record<string, unknown>>
  readonly _registeredResources?: Readonly<Record<string, { readonly name: string }>>
  readonly _registeredResourceTemplates?: Readonly<Record<string, { readonly resourceTemplate: Template }>>
}

export interface Template {
  readonly uriTemplate: { match(uri: string): unknown; toString(): string }
}

/** What `allow` may have. */
export const keys = 'the name of a tool, which has no colon, "prompt:" and that of a prompt, or "resource:" and that of a resource'

const ofPrompts = 'prompt:'
const ofResources = 'resource:'

export interface Target {
  /** For errors and the audit. */
  readonly label: string
  /** The key of `allow`; undefined where nothing is granted, whatever `allow` says. */
  readonly key: string | undefined
}

type Values = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null
const textIn = (object: unknown, key: string): string => (isObject(object) && typeof object[key] === 'string' ? object[key] : '')

export function targetOf(method: string, parameters: unknown, registry: Registry | undefined): Target {
  switch (method) {
    case 'tools/call':
      return ofTool(textIn(parameters, 'name'))
    case 'prompts/get':
      return keyed(ofPrompts + textIn(parameters, 'name'))
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return keyed(ofResources + nameOfResource(textIn(parameters, 'uri'), registry))
    case 'completion/complete':
      return ofReference(isObject(parameters) ? parameters['ref'] : undefined, registry)
    default:
      return { label: method, key: undefined }
  }
}

const keyed = (key: string): Target => ({ label: key, key })

/** A tool whose name reads like that of a prompt or resource is granted nothing. */
const ofTool = (name: string): Target => ({ label: name, key: name.startsWith(ofPrompts) || name.startsWith(ofResources) ? undefined : name })

/** That of the resource or template which answers for it; where nobody has registered one, the URI itself. */
function nameOfResource(uri: string, registry: Registry | undefined): string {
  const href = URL.canParse(uri) ? new URL(uri).toString() : uri
  const { _registeredResources: resources = {} } = registry ?? {}
  if (Object.hasOwn(resources, href)) return resources[href]?.name ?? href
  const template = templatesOf(registry).find(({ template }) => isObject(template.uriTemplate.match(href)))
  return template?.name ?? uri
}

function ofReference(reference: unknown, registry: Registry | undefined): Target {
  if (textIn(reference, 'type') === 'ref/prompt') return keyed(ofPrompts + textIn(reference, 'name'))
  const uri = textIn(reference, 'uri')
  const template = templatesOf(registry).find((one) => one.template.uriTemplate.toString() === uri)
  return keyed(ofResources + (template?.name ?? uri))
}

export function templatesOf(registry: Registry | undefined): readonly { readonly name: string; readonly template: Template }[] {
  const { _registeredResourceTemplates: templates = {} } = registry ?? {}
  return Object.entries(templates).map(([name, { resourceTemplate }]) => ({ name, template: resourceTemplate }))
}

export const keyOfTemplate = (name: string): string => ofResources + name
export const isOfResource = (key: string): boolean => key.startsWith(ofResources)

/** All keys that name something of this server now. */
export function knownKeys(registry: Registry): ReadonlySet<string> {
  const { _registeredTools: tools = {}, _registeredPrompts: prompts = {}, _registeredResources: resources = {} } = registry
  return new Set([
    ...Object.keys(tools),
    ...Object.keys(prompts).map((name) => ofPrompts + name),
    ...Object.values(resources).map(({ name }) => ofResources + name),
    ...templatesOf(registry).map(({ name }) => ofResources + name),
  ])
}
