/** Wraps a function that a framework hands its services: copies and clean services in their place. */
import type { Manner } from './guarded-call.js'
import { Handed, type Special } from './handed.js'
import { copyOf } from './copy.js'
import { copyWith, isPlain, likeFunction } from './shape.js'
import { ToolGuard, type ToolGrant } from './tool-guard.js'

type Run = (...values: never[]) => unknown

export interface Handing {
  /** What the function is given in place of these. */
  readonly give: (values: readonly unknown[], handed: Handed) => readonly unknown[]
  readonly special?: Special
  readonly manner?: Manner
}

/** @param owner What it is a method of: the tool as it was made, and not what a framework tells the model of. */
export function guardHanding(run: Run, owner: object, grant: ToolGrant, { give, special, manner }: Handing): Run {
  const guard = new ToolGuard(grant, manner)
  function guarded(...values: unknown[]): unknown {
    return guard.run((call) => {
      const handed = new Handed(call, special)
      return Reflect.apply(run, owner, give(values, handed)) as unknown
    })
  }
  return likeFunction(guarded, run)
}

/** The same for one value of a tool: a schema that is no JSON stays the very one. */
export const isCopied = (value: unknown): value is object => typeof value === 'object' && value !== null && isPlain(value) && !('~standard' in value)

export const ownData = (value: unknown): unknown => (isCopied(value) ? copyOf(value) : value)

/** A copy of a tool for a framework, with other members in place of some: data in it, such as what the model is told of its input, the tool itself does not write into. */
export function ownCopy(tool: object, members: object): object {
  const copy = copyWith(tool, {})
  for (const [key, descriptor] of Reflect.ownKeys(copy).map((key) => [key, Object.getOwnPropertyDescriptor(copy, key)!] as const)) {
    if ('value' in descriptor) Object.defineProperty(copy, key, { ...descriptor, value: ownData(descriptor.value) })
  }
  return copyWith(copy, members)
}
