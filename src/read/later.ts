/** An iterator of what may still have to be loaded: opened with the first step. */
type Iteration = Required<Pick<AsyncIterator<unknown>, 'next' | 'return'>>

export function iterateLater(open: () => Promise<Iteration>): AsyncIterable<unknown> {
  const iterate = (): AsyncIterator<unknown> => {
    let opened: Promise<Iteration> | undefined
    const next = async (): Promise<IteratorResult<unknown>> => (await (opened ??= open())).next()
    const end = async (): Promise<IteratorResult<unknown>> => (await (opened ??= open())).return()
    return freeze({ next, return: end })
  }
  return freeze({ [Symbol.asyncIterator]: iterate })
}

function freeze<Members extends object>(members: Members): Members {
  for (const key of Reflect.ownKeys(members)) Object.freeze(members[key as keyof Members])
  return Object.freeze(members)
}
