/** What cleans all that a tool says: for a reader who knows the names that the scope around the tool is granted, and on the account of the tool. */
import type { ScopeState } from '../access/scope.js'
import type { AuditEvent } from '../audit/events.js'
import { activeTrace } from '../audit/trace.js'
import { Hold } from '../redaction/hold.js'
import type { Reader } from '../redaction/redactor.js'
import { plainForm } from '../redaction/plain.js'
import { RedactedStream } from '../redaction/stream.js'
import { redactValue, type Later } from '../redaction/value.js'
import type { Core } from './core.js'
import type { View } from './view.js'

export class ToolCleaner {
  readonly #view: View
  readonly #outside: ScopeState
  #reader: Reader | undefined

  /**
   * @param view The tool's own.
   * @param outside The scope of whoever called it.
   */
  constructor(view: View, outside: ScopeState) {
    this.#view = view
    this.#outside = outside
  }

  /** @throws SecretError `closed`: nothing is known any more that could be replaced. */
  text(text: string): string {
    return this.#core.redactor.redact(text, this.#told)
  }

  /**
   * A clean copy of structured data in which instances stay instances of their class.
   * @param later What stands for an object whose content comes later.
   * @throws SecretError `closed`.
   */
  value(value: unknown, later?: Later): unknown {
    const { redactor } = this.#core
    redactor.requireOpen()
    return redactValue(redactor, this.#told, value, { isForTools: true, later })
  }

  /**
   * A copy of data that JSON tells whole and that is clean: found with one look. Undefined where it is not, or that cannot be told so.
   * @throws SecretError `closed`.
   */
  plain(value: unknown): object | undefined {
    if (typeof value !== 'object' || value === null) return undefined
    const form = plainForm(value)
    return form !== undefined && this.#core.redactor.isClean(form.text, () => JSON.stringify(form.copy)) ? form.copy : undefined
  }

  /** Cleans what comes in pieces. */
  stream(): RedactedStream {
    const { redactor } = this.#core
    redactor.requireOpen()
    return new RedactedStream(redactor, this.#told, 'end')
  }

  /**
   * What such a stream would hold back of these bytes: where a value may begin that is still to come to its end.
   * @throws SecretError `closed`.
   */
  heldBack(bytes: Uint8Array): Uint8Array {
    return bytes.subarray(new Hold().cut(bytes, this.#core.redactor.longest))
  }

  /** In the audit, and on stderr where there is none. */
  warn(warning: string): void {
    const { root } = this.#view
    root.warn(warning, undefined)
    if (root.audit === undefined) globalThis.process?.emitWarning?.(`keyward: ${warning}`)
  }

  get #core(): Core {
    return this.#view.root.core!
  }

  get #told(): Reader {
    if (this.#reader !== undefined) return this.#reader
    const core = this.#core
    const { root, scope } = this.#view
    const found = (name: string, count: number): void =>
      root.audit?.emit(root.event<Extract<AuditEvent, { type: 'redaction' }>>(scope, root.clock.now(), activeTrace(), { type: 'redaction', name, count }))
    this.#reader = { ...core.readerOf(this.#outside.parent === undefined && this.#outside.beside === undefined ? undefined : this.#outside), found }
    return this.#reader
  }
}
