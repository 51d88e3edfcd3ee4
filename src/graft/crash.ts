/** Faults that no call was told of: an exception in a timer, a rejection that nobody handles. While tools are served they end no process. */

export interface Faults {
  /** Is told of each. */
  onFault(error: unknown): void
}

const served = new Set<Faults>()

const tell = (error: unknown): void => {
  for (const faults of served) faults.onFault(error)
}

/** @returns What ends it. */
export function surviveFaults(faults: Faults): () => void {
  if (served.size === 0) {
    process.on('uncaughtException', tell)
    process.on('unhandledRejection', tell)
  }
  served.add(faults)
  return () => {
    served.delete(faults)
    if (served.size > 0) return
    process.off('uncaughtException', tell)
    process.off('unhandledRejection', tell)
  }
}
