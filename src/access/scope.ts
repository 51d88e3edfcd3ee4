/** The chain of grants behind a view. A child is refused whatever an ancestor is refused, so a chain can only narrow. */
import type { Clock } from '../clock.js'
import type { SecretErrorCode } from '../errors/failure.js'
import { createError } from '../errors/secret-error.js'
import type { CheckedGrant } from './grant.js'

/** Why access said no, for the error's `reason` and the event. */
export type Refusal = 'not-granted' | 'denied-location' | 'pinned' | 'versions' | 'enforcement' | 'revoked' | 'expired' | 'reads-used-up'

export class ScopeState {
  readonly parent: ScopeState | undefined
  readonly agent: string | undefined
  readonly tool: string | undefined
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly grant: CheckedGrant | undefined
  /** May versions and stages be chosen all along the chain? */
  readonly versions: boolean
  readonly needsBackend: boolean
  /** Epoch milliseconds: the earliest end along the chain. */
  limit: number
  /** Are reads counted somewhere along the chain? */
  readonly isCounted: boolean
  #end: Refusal | 'closed' | undefined
  #readsLeft: number
  #seenAt: number
  #whenEnded: ((code: SecretErrorCode, reason: Refusal | undefined) => void)[] = []
  // Weak: a scope made for each request and then forgotten must not live as long as its parent.
  readonly #children = new Set<WeakRef<ScopeState>>()
  readonly #clock: Clock

  /** The root's: everything is granted. With a grant: a narrower one. */
  constructor(clock: Clock, parent?: ScopeState, grant?: CheckedGrant) {
    this.#clock = clock
    this.parent = parent
    this.grant = grant
    this.agent = grant?.agent ?? parent?.agent
    this.tool = grant?.tool ?? parent?.tool
    this.labels = mergeLabels(parent?.labels, grant?.labels)
    this.versions = grant === undefined || (grant.versions && (parent?.versions ?? true))
    this.needsBackend = grant?.enforcement === 'backend' || (parent?.needsBackend ?? false)
    this.#seenAt = clock.now()
    this.limit = Math.min(parent?.limit ?? Infinity, grant?.expiresIn === undefined ? Infinity : clock.now() + grant.expiresIn)
    this.#readsLeft = grant?.maxReads ?? Infinity
    this.isCounted = grant?.maxReads !== undefined || (parent?.isCounted ?? false)
    if (parent !== undefined) parent.#adopt(this)
  }

  /** Calls `run` once, when the scope can read no more; at once where that is so already. */
  whenEnded(run: (code: SecretErrorCode, reason: Refusal | undefined) => void): void {
    if (this.#end === undefined) this.#whenEnded.push(run)
    else run(this.#end === 'closed' ? 'closed' : 'denied', this.#end === 'closed' ? undefined : this.#end)
  }

  /** Why this scope can read nothing any more, if so. Looks at the clock, and latches: a clock set back revives nothing. */
  get ended(): Refusal | 'closed' | undefined {
    if (this.#end === undefined) {
      const above = this.parent?.ended
      if (above !== undefined) this.end(above)
      else if (this.limit !== Infinity && this.#observe() >= this.limit) this.end('expired')
    }
    return this.#end
  }

  // A clock that was set back must not lengthen a scope: its end goes back as far.
  #observe(): number {
    const now = this.#clock.now()
    if (now < this.#seenAt) this.limit -= this.#seenAt - now
    this.#seenAt = now
    return now
  }

  /** This scope and those above it, the root's last. */
  *links(): Generator<ScopeState> {
    for (let link: ScopeState | undefined = this; link !== undefined; link = link.parent) yield link
  }

  /** Whose identity at a backend, and whose leases, this scope uses: the nearest above that names an agent, else the root. */
  get identity(): ScopeState {
    let root: ScopeState = this
    for (const link of this.links()) {
      if (link.grant?.agent !== undefined) return link
      root = link
    }
    return root
  }

  /** Undefined where the whole chain grants this name. */
  refuses(name: string): Refusal | undefined {
    for (let scope: ScopeState | undefined = this; scope?.grant !== undefined; scope = scope.parent) {
      if (!scope.grant.allow.has(name)) return 'not-granted'
      if (scope.grant.deny?.has(name) === true) return 'denied-location'
    }
    return undefined
  }

  /** Takes one read from every count along the chain, or from none. */
  count(): Refusal | undefined {
    if (!this.isCounted) return undefined
    const counted: ScopeState[] = []
    for (let scope: ScopeState | undefined = this; scope !== undefined; scope = scope.parent) counted.push(scope)
    if (counted.some((scope) => scope.#readsLeft < 1)) return 'reads-used-up'
    for (const scope of counted) scope.#readsLeft -= 1
    return undefined
  }

  /** Has a count along the chain reached its end? */
  get isUsedUp(): boolean {
    for (let scope: ScopeState | undefined = this; scope !== undefined; scope = scope.parent) if (scope.#readsLeft < 1) return true
    return false
  }

  /** Ends this scope and everything made from it, at once. */
  end(why: Refusal | 'closed'): void {
    if (this.#end !== undefined) return
    this.#end = why
    for (const child of this.#children) child.deref()?.end(why)
    this.#children.clear()
    for (const run of this.#whenEnded.splice(0)) run(why === 'closed' ? 'closed' : 'denied', why === 'closed' ? undefined : why)
  }

  #adopt(child: ScopeState): void {
    if (this.#end !== undefined) return child.end(this.#end)
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
