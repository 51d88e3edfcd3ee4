/** What is approved or rejected is private to the context of a run, which every call of it gets as it is, and stands in the state of the run. So what a tool approves is clean before. */
import { createFollowed, here } from '../../seam.js'
import type { GuardedCall } from '../guarded-call.js'
import { copyWith } from '../shape.js'

type Decide = (this: unknown, item: unknown, options?: unknown) => unknown

const watched = new WeakSet<object>()
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Tools of one context may be wrapped with secrets of different roots. */
const current = createFollowed<GuardedCall>()

/** Runs a tool: what it approves, and what it calls approves, is cleaned with its secrets. */
export const approvingAs: <Result>(call: GuardedCall, run: () => Result) => Result = (call, run) => current.run(call, run)

/** Once for each context: what is approved outside of tools stays as it is. */
export function watchApprovals(call: GuardedCall, runContext: unknown): void {
  if (!isObject(runContext) || watched.has(runContext)) return
  watched.add(runContext)
  for (const key of ['approveTool', 'rejectTool'] as const) {
    const decide: unknown = Reflect.get(runContext, key)
    if (typeof decide !== 'function') continue
    const clean: Decide = function (item, options) {
      if (here() === null) return Reflect.apply(decide as Decide, this, [item, options])
      const by = current.getStore() ?? call
      return Reflect.apply(decide as Decide, this, [cleanItem(by, item), by.data(options)])
    }
    // On itself, where a frozen one has none, and nobody sees it.
    Reflect.defineProperty(runContext, key, { value: clean, writable: true, configurable: true, enumerable: false })
  }
}

/** But for its agent, by which it is found. */
function cleanItem(call: GuardedCall, item: unknown): unknown {
  if (!isObject(item)) return call.data(item)
  const members = Object.keys(item).filter((key) => key !== 'agent')
  return copyWith(item, Object.fromEntries(members.map((key) => [key, call.data(Reflect.get(item, key))])))
}
