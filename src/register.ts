/** Filled by an app: `declare module 'keyward' { interface Register { config: typeof config } }`. Makes names and agents typed. */
export interface Register {}
type Registered<Key extends 'secrets' | 'agents'> = Register extends { config: infer Config }
  ? Config extends { [K in Key]: infer Table }
    ? keyof Table & string
    : string
  : string
export type SecretName = Registered<'secrets'>
export type AgentName = Registered<'agents'>
export type AgentAllow<Agent extends string> = Register extends { config: { agents: Record<Agent, { allow: readonly (infer Allow extends string)[] }> } } ? Allow : string

/** `'search/*'` grants every name that begins with `search/`; anything else grants itself. `*` stands only at the end. */
export type NamePattern<Name extends string = SecretName> = Name | `${string}*`
