/** Paths of Vault, as they stand in a request: each segment encoded by itself, so that no character of an id means anything to the server. */
import { SecretError } from '../../src/errors/secret-error.js'

/** Segments that a server or a proxy would resolve, or that make two paths of one. */
const isNoSegment = (segment: string): boolean => segment === '' || segment === '.' || segment === '..'

/**
 * The path of an id or of a part of one, encoded by segment.
 * @throws SecretError `unsupported` for a path with an empty segment, `.` or `..`, a control character, or text that is no Unicode.
 */
export function encodePath(path: string): string {
  const segments = path.split('/')
  if (segments.some(isNoSegment)) throw unsupported('has an empty segment, "." or ".."')
  // The server refuses them as well, with a status that says nothing of why.
  if (/\p{Cc}/u.test(path)) throw unsupported('has a control character')
  if (/\p{Cs}/u.test(path)) throw unsupported('has half of a surrogate pair, which is no Unicode')
  return segments.map(encodeURIComponent).join('/')
}

function unsupported(wrong: string): SecretError {
  return new SecretError({
    code: 'unsupported',
    fix: `A path of Vault ${wrong}: write it as \`vault kv get\` takes it, mount first (secret/app/database), and correct the reference or the name`,
  })
}

/** Without the slashes that people write around a mount. */
export const trimSlashes = (path: string): string => path.replace(/^\/+|\/+$/g, '')
