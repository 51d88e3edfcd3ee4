/** Wraps a function that a framework hands its services: copies and clean services in their place. */
import type { Manner } from './guarded-call.js'
import { Handed, type IsTheirs, type Special } from './handed.js'
import { likeFunction } from './shape.js'
import { ToolGuard, type ToolGrant } from './tool-guard.js'

type Run = (...values: never[]) => unknown

export interface Handing {
  /** What the function is given in place of these. */
  readonly give: (values: readonly unknown[], handed: Handed) => readonly unknown[]
  readonly special?: Special
  readonly isTheirs?: IsTheirs
  readonly manner?: Manner
}

export function guardHanding(run: Run, grant: ToolGrant, { give, special, isTheirs, manner }: Handing): Run {
  const guard = new ToolGuard(grant, manner)
  function guarded(this: unknown, ...values: unknown[]): unknown {
    return guard.run((call) => {
      const handed = new Handed(call, special, isTheirs)
      return Reflect.apply(run, this, give(values, handed)) as unknown
    })
  }
  return likeFunction(guarded, run)
}
