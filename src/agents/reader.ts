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
 * @returns Makes one for each message. It throws SecretError `closed`, as what it makes does.
 * @throws SecretError `invalid-config` where `secrets` is no view of this copy of the package.
 */
export function prepareReader(secrets: Secrets<never>, name: string): () => Reader {
  const open = prepareTool(secrets, { tool: name, allow: [] })
  return () => {
    const { cleaner, ready, end } = runAt(null, open)
    end()
    return { text: (text) => cleaner.text(text), data: (value) => cleaner.value(value), warn: (warning) => cleaner.warn(warning), ready }
  }
}
