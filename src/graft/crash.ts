/** Faults that no call was told of: an exception in a timer, a rejection that nobody handles. While tools are served they end no process. */
import { createFollowed } from '../seam.js'
import { surviveStderr } from './stderr.js'

export interface Faults {
  /** Is told of each. */
  onFault(error: unknown): void
}

const served = new Set<Faults>()
/** What is done in it tells of a fault: what fails in that is told nobody, else it would be told for ever. */
const telling = createFollowed<true>()
let releaseStderr = (): void => undefined

const tell = (error: unknown): void => {
  if (telling.getStore() === true) return
  for (const faults of served) telling.run(true, () => faults.onFault(error))
}

/** @returns What ends it. */
export function surviveFaults(faults: Faults): () => void {
  if (served.size === 0) {
    process.on('uncaughtException', tell)
    process.on('unhandledRejection', tell)
    releaseStderr = surviveStderr()
  }
  served.add(faults)
  return () => {
    if (!served.delete(faults) || served.size > 0) return
    process.off('uncaughtException', tell)
    process.off('unhandledRejection', tell)
    releaseStderr()
  }
}
