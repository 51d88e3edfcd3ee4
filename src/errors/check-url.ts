import { checkString } from './check.js'
import { invalidConfig } from './secret-error.js'

/** Is it of this machine, as `hostname` of a URL says it? Names that resolve to it are not. */
export const isLoopback = (hostname: string): boolean => /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)

/**
 * The address of a server: https or http, and without credentials in it.
 * @param option How the error names it.
 * @throws SecretError `invalid-config`.
 */
export function checkUrl(value: unknown, option: string, expected: string): URL {
  const text = checkString(value, option)
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw invalidConfig(option, 'is no URL', expected)
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalidConfig(option, 'is neither https nor http', expected)
  if (url.username !== '' || url.password !== '') throw invalidConfig(option, 'holds a user or a password', `${expected}, and credentials in options of their own`)
  return url
}
