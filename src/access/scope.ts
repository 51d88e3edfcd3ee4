/** The chain of grants behind a view. A child is refused whatever an ancestor is refused, so a chain can only narrow; inside a tool, whatever the tool is refused as well. */
import type { Clock } from '../clock.js'
import type { SecretErrorCode } from '../errors/failure.js'
import { createError, invalidConfig } from '../errors/secret-error.js'
import type { CheckedGrant } from './grant.js'

/** Why access said no, for the error's `reason` and the event. */
export type Refusal = 'not-granted' | 'denied-location' | 'pinned' | 'versions' | 'enforcement' | 'revoked' | 'expired' | 'reads-used-up' | 'tool' | 'tool-ended' | 'outside-tools'

/** One grant, and what is left of its reads. */
export interface Held {
  readonly grant: Pick<CheckedGrant, 'allow' | 'deny'> | undefined
  readonly readsLeft: number
  takeRead(): void
}

/** What a scope can be held against beside its own chain: the scope of a tool, whatever root and whichever copy of the package it is of. */
export interface Beside extends Pick<ScopeState, 'agent' | 'tool' | 'labels' | 'versions' | 'needsBackend' | 'isCounted' | 'isUnlimited' | 'held' | 'ended' | 'adopt'> {}

/** Scopes of scopes, at most: each is asked at each read, and all of them end with the first. */
const deepest = 100

export class ScopeState implements Beside, Held {
  readonly parent: ScopeState | undefined
  /** Scopes above it. */
  readonly depth: number
  /** Of a tool, where this is a view inside a tool that was not made from it. */
  readonly beside: Beside | undefined
  readonly agent: string | undefined
  readonly tool: string | undefined
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly grant: CheckedGrant | undefined
  /** Every grant that it is held against, each once: those of its chain, and of what stands beside it. */
  readonly held: readonly Held[]
  /** May versions and stages be chosen all along the chain? */
  readonly versions: boolean
  readonly needsBackend: boolean
  /** Epoch milliseconds: the earliest end along the chain. */
  limit: number
  /** Are reads counted somewhere along the chain? */
  readonly isCounted: boolean
  /** Does the clock end nothing that it is held against? */
  readonly isUnlimited: boolean
  #end: Refusal | 'closed' | undefined
  #readsLeft: number
  #seenAt: number
  #whenEnded: ((code: SecretErrorCode, reason: Refusal | undefined) => void)[] = []
  // Weak: a scope made for each request and then forgotten must not live as long as its parent.
  readonly #children = new Set<WeakRef<ScopeState>>()
  readonly #clock: Clock

  /** The root's: everything is granted. With a grant: a narrower one. */
  constructor(clock: Clock, parent?: ScopeState, grant?: CheckedGrant, beside?: Beside) {
    this.#clock = clock
    this.parent = parent
    this.depth = parent === undefined ? 0 : parent.depth + 1
    this.beside = beside
    this.grant = grant
    this.agent = grant?.agent ?? parent?.agent ?? beside?.agent
    this.tool = beside?.tool ?? grant?.tool ?? parent?.tool
    this.labels = mergeLabels(mergeLabels(beside?.labels, parent?.labels), grant?.labels)
    this.held = [...new Set([...(grant === undefined ? [] : [this]), ...(parent?.held ?? []), ...(beside?.held ?? [])])]
    const others = [parent, beside]
    this.versions = (grant?.versions ?? true) && others.every((other) => other?.versions ?? true)
    this.needsBackend = grant?.enforcement === 'backend' || others.some((other) => other?.needsBackend)
    this.#seenAt = clock.now()
    this.limit = Math.min(parent?.limit ?? Infinity, grant?.expiresIn === undefined ? Infinity : clock.now() + grant.expiresIn)
    this.isUnlimited = this.limit === Infinity && others.every((other) => other?.isUnlimited ?? true)
    this.#readsLeft = grant?.maxReads ?? Infinity
    this.isCounted = grant?.maxReads !== undefined || others.some((other) => other?.isCounted)
    for (const other of others) other?.adopt(this)
  }

  /** Calls `run` once, when the scope can read no more; at once where that is so already. */
  whenEnded(run: (code: SecretErrorCode, reason: Refusal | undefined) => void): void {
    if (this.#end === undefined) this.#whenEnded.push(run)
    else run(this.#end === 'closed' ? 'closed' : 'denied', this.#end === 'closed' ? undefined : this.#end)
  }

  /** Why this scope can read nothing any more, if so. Looks at the clock, and latches: a clock set back revives nothing. */
  get ended(): Refusal | 'closed' | undefined {
    if (this.#end === undefined) {
      const ended = this.#endOfOthers()
      if (ended !== undefined) this.end(ended)
      else if (this.limit !== Infinity && this.#observe() >= this.limit) this.end('expired')
    }
    return this.#end
  }

  // Secrets that were closed end their tools, and are not these where a tool of theirs stands beside.
  #endOfOthers(): Refusal | 'closed' | undefined {
    const above = this.parent?.ended
    if (above !== undefined || this.beside === undefined) return above
    const { ended } = this.beside
    return ended === 'closed' ? 'tool-ended' : ended
  }

  // A clock that was set back must not lengthen a scope: its end goes back as far.
  #observe(): number {
    const now = this.#clock.now()
    if (now < this.#seenAt) this.limit -= this.#seenAt - now
    this.#seenAt = now
    return now
  }

  /** Is the other one this scope, or one that it was made from? */
  descendsFrom(other: ScopeState): boolean {
    for (let link: ScopeState | undefined = this; link !== undefined; link = link.parent) if (link === other) return true
    return false
  }

  /** Was this scope made from the other one, or inside its tool? */
  isHeldAgainst(other: Beside): boolean {
    for (let link: ScopeState | undefined = this; link !== undefined; link = link.parent) if (link === other || link.beside === other) return true
    return false
  }

  /** Undefined where each grant grants this name. */
  refuses(name: string): Refusal | undefined {
    for (const { grant } of this.held) {
      if (grant === undefined) continue
      if (!grant.allow.has(name)) return 'not-granted'
      if (grant.deny?.has(name) === true) return 'denied-location'
    }
    return undefined
  }

  /** Takes one read from every count, or from none. */
  count(): Refusal | undefined {
    if (!this.isCounted) return undefined
    if (this.isUsedUp) return 'reads-used-up'
    for (const one of this.held) one.takeRead()
    return undefined
  }

  /** Has a count reached its end? */
  get isUsedUp(): boolean {
    return this.held.some(({ readsLeft }) => readsLeft < 1)
  }

  /** By this grant alone. */
  get readsLeft(): number {
    return this.#readsLeft
  }
  takeRead(): void {
    this.#readsLeft -= 1
  }

  /** Ends this scope and everything made from it, at once. */
  end(why: Refusal | 'closed'): void {
    if (this.#end !== undefined) return
    this.#end = why
    const ends = [
      ...Array.from(this.#children, (child) => () => child.deref()?.endWith(why)),
      ...this.#whenEnded.splice(0).map((run) => () => run(why === 'closed' ? 'closed' : 'denied', why === 'closed' ? undefined : why)),
    ]
    this.#children.clear()
    for (const end of ends) {
      try {
        end()
      } catch {
        // What one has to end must not depend on what another ran into, such as a signal whose members throw.
      }
    }
  }

  /** Ends since one that it is held against did. */
  endWith(why: Refusal | 'closed'): void {
    this.end(this.#endOfOthers() ?? why)
  }

  /** Takes in a scope that ends with this one. */
  adopt(child: ScopeState): void {
    if (this.#end !== undefined) return child.endWith(this.#end)
    const reference = new WeakRef(child)
    this.#children.add(reference)
    forgotten.register(child, { siblings: this.#children, reference })
  }
}

const forgotten = new FinalizationRegistry<{ siblings: Set<WeakRef<ScopeState>>; reference: WeakRef<ScopeState> }>(({ siblings, reference }) => {
  siblings.delete(reference)
})

/** A narrower state, after the rules that a grant alone cannot be held against. */
export function narrow(clock: Clock, parent: ScopeState, grant: CheckedGrant): ScopeState {
  if (parent.depth >= deepest) throw invalidConfig('grant', `is nested deeper than ${deepest} scopes`, 'a scope of one that is nearer to the root')
  if (grant.agent !== undefined && parent.agent !== undefined && grant.agent !== parent.agent) {
    throw refusedGrant('grant.agent names another agent than the scope that it narrows, and an agent is set once', parent)
  }
  for (const [key, label] of Object.entries(grant.labels ?? {})) {
    if (parent.labels !== undefined && Object.hasOwn(parent.labels, key) && parent.labels[key] !== label)
      throw refusedGrant('grant.labels changes a label of the scope that it narrows; children only add', parent)
  }
  return new ScopeState(clock, parent, grant)
}

function refusedGrant(what: string, { agent, tool }: ScopeState): Error {
  return createError({ code: 'denied' }, { deniedBy: 'scope', agent, tool, message: `keyward: ${what}.` })
}

function mergeLabels(inherited: ScopeState['labels'], own: ScopeState['labels']): ScopeState['labels'] {
  if (own === undefined) return inherited
  return Object.freeze({ ...inherited, ...own })
}
