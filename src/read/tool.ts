/** The scope of a tool as the store holds it: for all copies of the package, and with nothing on it that leads to a view. */
import { ambient, type AmbientScope } from '../access/ambient.js'
import { effectiveGrant, patternsOf } from '../access/effective.js'
import { rememberRootOfTool } from './around.js'
import { attempt } from './foreign.js'
import { rememberTool, type View } from './view.js'

export class Tool implements AmbientScope {
  readonly #view: View

  constructor(view: View) {
    this.#view = view
    rememberTool(this, view)
    rememberRootOfTool(view.scope, view.root)
    Object.freeze(this)
  }

  get agent(): string | undefined {
    return this.#view.scope.agent
  }
  get tool(): string | undefined {
    return this.#view.scope.tool
  }
  get labels(): AmbientScope['labels'] {
    return this.#view.scope.labels
  }
  get versions(): boolean {
    return this.#view.scope.versions
  }
  get needsBackend(): boolean {
    return this.#view.scope.needsBackend
  }
  get isCounted(): boolean {
    return this.#view.scope.isCounted
  }
  get isUnlimited(): boolean {
    return this.#view.scope.isUnlimited
  }
  get ended(): string | undefined {
    return this.#view.scope.ended
  }
  get readsLeft(): number {
    return Math.min(...this.#view.scope.held.map(({ readsLeft }) => readsLeft))
  }
  takeRead(): void {
    for (const held of this.#view.scope.held) held.takeRead()
  }
  grant(): ReturnType<AmbientScope['grant']> {
    const { allow, deny } = effectiveGrant(this.#view.scope)
    return { allow: patternsOf(allow), deny: patternsOf(deny) }
  }
  whenEnded(run: () => void): void {
    this.#view.scope.whenEnded(() => attempt(() => ambient.storage?.run(this, run)))
  }
  getSecret(name: unknown, options: unknown): Promise<unknown> {
    // Somebody else who holds it must not read as this tool.
    if (ambient.storage?.getStore() !== this) return Promise.reject(this.#view.root.refused('outside-tools', this.#view.scope))
    return this.#view.read(name as string, options)
  }
}
// Whoever has a tool could make others by it.
Reflect.deleteProperty(Tool.prototype, 'constructor')
Object.freeze(Object.freeze(Tool).prototype)
