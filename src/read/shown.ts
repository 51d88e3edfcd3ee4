import { checkName } from '../access/name.js'
import { printable } from '../errors/check.js'

/** A name as events and errors show it: one that is refused for its form must not forge a line of a log. */
export function shown(name: unknown): string {
  if (typeof name !== 'string') return ''
  try {
    return checkName(name)
  } catch {
    return printable(name)
  }
}
