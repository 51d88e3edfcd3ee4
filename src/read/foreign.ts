/** What belongs to somebody else - an object of the reader's, an answer of a provider - and may do anything when it is touched. */

/** What a member of somebody else's object gives; undefined where it throws. */
export function attempt<Value>(run: () => Value): Value | undefined {
  try {
    return run()
  } catch {
    // It must not keep a read from ending, nor anything that waits for that.
    return undefined
  }
}

/** A promise that is no answer where it was given must not end the process when it rejects. */
export function quieten(answer: unknown): void {
  if (isThenable(answer)) Promise.resolve(answer).catch(() => undefined)
}

export function isThenable(value: unknown): boolean {
  return typeof attempt(() => (value as { then?: unknown } | null)?.then) === 'function'
}
