/** Wraps a function, for tools of a framework that has no adapter. */
import { checkFunction, checkList, checkObject, checkString } from '../errors/check.js'
import type { NamePattern, SecretName } from '../register.js'
import type { Secrets } from '../seam.js'
import { copyOf } from './copy.js'
import type { GuardedCall, Manner } from './guarded-call.js'
import { isClass, isPlain, likeFunction } from './shape.js'
import { watchShared } from './shared.js'
import { ToolGuard, type ToolGrant } from './tool-guard.js'
import { remember } from './wrapped.js'

export interface GuardOptions<Name extends string = SecretName> {
  /** A view: best that of one agent. What the tool reads is narrowed by both. */
  secrets: Secrets<Name>
  /** The tool's name, for errors and the audit. */
  tool: string
  /** What it may read. Nothing by default of what is not named here. */
  allow: readonly NamePattern<NoInfer<Name>>[]
}

type Run = (...values: never[]) => unknown

/**
 * The seam beneath every framework adapter: `run` is called in a scope of its own, with copies of the data that it is given; what it returns, yields or throws comes
 * out clean. The scope ends when the call or its stream settles. Where redaction has something to learn first, and wherever `run` itself is no generator function
 * and returns nothing to be gone through, the answer is a promise, whatever `run` returns.
 * @throws SecretError `invalid-config` for options that are not understood. What is returned throws `closed` after `close()`, and does not call `run`.
 */
export function guard<Guarded extends Run, Name extends string>(run: Guarded, options: GuardOptions<Name>): Guarded {
  checkFunction(run, 'run')
  const { secrets, tool, allow } = checkObject(options, 'options', ['secrets', 'tool', 'allow'])
  const grant = { secrets: secrets as Secrets<never>, tool: checkString(tool, 'options.tool'), allow: checkList(allow, 'options.allow') as readonly string[] }
  return remember(withOwnMembers(guardFunction(run, grant), run, grant), grant.secrets) as Guarded
}

/** With what stands on a function beside what every function has, as its type says: a schema, a description, or another function, which runs guarded too. */
function withOwnMembers(guarded: Run, run: Run, grant: ToolGrant): Run {
  for (const key of Reflect.ownKeys(run)) {
    const { value, ...descriptor } = Object.getOwnPropertyDescriptor(run, key)!
    if (descriptor.enumerable !== true || !('writable' in descriptor)) continue
    const isRun = typeof value === 'function' && !isClass(value)
    Object.defineProperty(guarded, key, { ...descriptor, value: isRun ? guardFunction(value as Run, grant, undefined, undefined, run) : (value as unknown) })
  }
  return guarded
}

/** How an adapter hands a tool its values: copies by default. */
export type Give = (values: readonly unknown[], call: GuardedCall) => readonly unknown[]

/** @param owner What it is a method of, where the adapter knows; otherwise what it is called on, which a framework may tell of: without what the tool left in it. */
export function guardFunction(run: Run, grant: ToolGrant, manner?: Manner, give: Give = (values) => values.map((value) => copyOf(value)), owner?: object): Run {
  const tool = new ToolGuard(grant, manner)
  const kind = Object.prototype.toString.call(run)
  const start = (self: unknown, values: readonly unknown[]) => (call: GuardedCall) => {
    if (owner === undefined && isWrittenOut(self)) call.after(watchShared(call, self))
    return Reflect.apply(run, owner ?? self, give(values, call)) as unknown
  }
  function guarded(this: unknown, ...values: unknown[]): unknown {
    const body = start(this, values)
    if (kind === '[object AsyncGeneratorFunction]') return tool.iterate(body as (call: GuardedCall) => AsyncIterable<unknown>)
    if (kind === '[object GeneratorFunction]') return tool.generate(body as (call: GuardedCall) => Generator)
    return tool.run(body)
  }
  return likeFunction(guarded, run)
}

/** Is it an object as a tool is that somebody wrote out, and no service of a class or a module? */
const isWrittenOut = (self: unknown): boolean => typeof self === 'object' && self !== null && isPlain(self) && Object.isExtensible(self)
