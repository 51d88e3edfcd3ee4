/** What `doctor` says of one thing, and what to do about it. */
import { isSecretError } from '../errors/secret-error.js'

export interface Finding {
  /** A problem has to be fixed; a warning may be meant. */
  readonly level: 'ok' | 'warning' | 'problem'
  readonly about: 'config' | 'file' | 'git' | 'provider' | 'access' | 'rotation'
  /** A file, a provider, an agent or a secret. */
  readonly subject: string
  readonly message: string
  readonly fix?: string
}

/** An error's message says first what is wrong and then what to do. */
export function findingOf(error: unknown, about: Finding['about'], subject: string): Finding {
  if (!isSecretError(error)) throw error
  const told = error.message.replace(/^keyward: /, '')
  // Of a config or file that is wrong, the part behind says both, and what stands before says only that.
  const [message, fix] = parted(told, /^.*?\. (.+?); ((?:expected|did you mean) .+)$/s) ?? parted(told, /^(.+?)(?:\. |; )(.+)$/s) ?? [told]
  return { level: 'problem', about, subject, message, ...(fix === undefined ? {} : { fix: fix.replace(/^./, (first) => first.toUpperCase()) }) }
}

function parted(text: string, pattern: RegExp): readonly [string, string] | undefined {
  const [, message, fix] = pattern.exec(text) ?? []
  return message === undefined || fix === undefined ? undefined : [message, fix]
}
