/** How an attack is carried out in one framework, and all that is seen of it. */
import type { Secrets } from '../../../src/index.js'
import type { Attack, Exits, Pair } from './attacks.js'
import { seenOf } from './canary.js'

export interface Stage {
  readonly framework: string
  /** Why it cannot be run by this Node, if so. */
  readonly missing?: string | undefined
  /** Ways out that this framework hands a tool: each is an attack of its own. */
  readonly ways: readonly string[]
  /** Has it tools that tell piece by piece? */
  readonly hasStreams: boolean
  /** Where it is looked: each has to show what the control tells, or nothing that is not there would prove anything. */
  readonly channels: readonly string[]
  /** Where a tool that throws is seen, and others are not. */
  readonly channelsOfErrors?: readonly string[]
  /** Attacks that lead nowhere in this framework, wrapped or not. */
  readonly harmless?: readonly string[]
  /**
   * Runs an agent with a fake model that calls a tool, and then answers.
   * @param tool What the tool does.
   * @param isGuarded Is it wrapped?
   * @returns All that anybody but the tool sees: what the model is given, messages, traces, what is kept, errors.
   */
  run(tool: Tool, secrets: Secrets<never>, isGuarded: boolean): Promise<string>
  /**
   * One run of both tools: a fake model calls `take`, and then `post` with what it made of what it was told. Where there is no model its part is played by whoever calls
   * the tools, in one session.
   */
  handOver(pair: Pair, secrets: Secrets<never>, isGuarded: boolean): Promise<void>
}

export interface Tool {
  readonly attack: Attack
  /** Reads the key: in the scope of the tool where it is wrapped. */
  readonly read: () => Promise<string>
  /** Is told that it was read. */
  readonly began: () => void
}

/** What was seen in one place. */
export const by = (channel: string, ...values: readonly unknown[]): string => `<<${channel}>>${values.map(seenOf).join('\n')}<</${channel}>>`

/** All that was seen in one place. */
export const seenBy = (channel: string, seen: string): string => [...seen.matchAll(new RegExp(`<<${channel}>>([^]*?)<</${channel}>>`, 'g'))].map(([, text]) => text).join('\n')

/** What the model, or whoever calls the tool, gives it. */
export const inputOf = (): { query: string } => ({ query: 'q' })

/** What the second of two tools takes. */
export const schemaOfPost = { type: 'object' as const, properties: { text: { type: 'string' as const } }, additionalProperties: false }
export const schemaOfTake = { type: 'object' as const, properties: {}, additionalProperties: false }
export const allowTake = { take: ['KEY'] }

/** The body of a tool that is no generator. */
export async function attackOnce({ attack, read, began }: Tool, exits: Exits): Promise<unknown> {
  const value = await read()
  began()
  return await attack.run(value, exits)
}

/** The body of one that is. */
export async function* attackInPieces({ attack, read, began }: Tool, exits: Exits): AsyncGenerator<unknown, string> {
  const value = await read()
  began()
  yield* attack.run(value, exits) as readonly unknown[]
  return 'done'
}

/** Goes out by each way that the framework has. */
export const wayOut = (way: string): Attack => ({
  what: `goes out by ${way}`,
  run: async (value, { ways }) => {
    await ways[way]!(value)
    return 'done'
  },
})
