/** What cleans for a room what no tool says: the messages of a server. */
import { prepareTool, runAt, type Secrets } from '../seam.js'

export interface Reader {
  text(text: string): string
  data(value: unknown): unknown
  warn(warning: string): void
  /** To be waited for before anything is cleaned. */
  readonly ready: Promise<void> | undefined
}

/**
 * @param name Who tells, for the audit.
 * @returns What gives it, one for all messages. It throws SecretError `closed`, as what it gives does.
 * @throws SecretError `invalid-config` where `secrets` is no view of this copy of the package.
 */
export function prepareReader(secrets: Secrets<never>, name: string): () => Reader {
  const open = prepareTool(secrets, { tool: name, allow: [] })
  let reader: (Reader & { ready: Promise<void> | undefined }) | undefined
  return () => {
    if (reader !== undefined) return reader
    const { cleaner, ready, end } = runAt(null, open)
    end()
    const opened = (reader = { text: (text) => cleaner.text(text), data: (value) => cleaner.value(value), warn: (warning) => cleaner.warn(warning), ready })
    // From then on each tool learns what there is before it runs.
    void ready?.finally(() => {
      opened.ready = undefined
    })
    return reader
  }
}
