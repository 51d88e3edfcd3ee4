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
  const [, message = told, fix = ''] = /^(.+?)(?:\. |; )(.+)$/s.exec(told) ?? []
  return { level: 'problem', about, subject, message, ...(fix === '' ? {} : { fix: fix.replace(/^./, (first) => first.toUpperCase()) }) }
}
