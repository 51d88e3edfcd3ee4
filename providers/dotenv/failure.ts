import { isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { Failure } from '../../src/provider.js'

const failures: ReadonlyMap<string, (file: string) => Failure> = new Map([
  ...each(['EACCES', 'EPERM'], (file) => ({
    code: 'denied',
    fix: `${file} cannot be read by the user of this process: \`chown\` or \`chmod u+r\` it, and let its directories be entered`,
  })),
  ...each(['EMFILE', 'ENFILE'], (file) => ({
    code: 'unavailable',
    fix: `${file} could not be opened: too many files are open. Raise \`ulimit -n\`, or find what leaves files open`,
  })),
  ...each(['EAGAIN', 'EBUSY', 'EIO', 'ENOMEM', 'ENXIO', 'ESTALE', 'EHOSTDOWN'], (file) => ({
    code: 'unavailable',
    fix: `${file} could not be read: check the disk or the mount that it is on`,
  })),
  ...each(['ETIMEDOUT'], (file) => ({ code: 'timeout', fix: `${file} could not be read in time: check the mount that it is on` })),
  ...each(['EISDIR'], (file) => ({ code: 'invalid-config', fix: `${file} is a directory: rename it, or name other files in \`files\`` })),
  ...each(['ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EINVAL', 'ERR_INVALID_ARG_VALUE'], (file) => ({
    code: 'invalid-config',
    fix: `${file} is no path that can be opened: check \`directory\` and \`files\``,
  })),
  ...each(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'], () => ({
    code: 'invalid-config',
    fix: 'The package dotenv cannot be found, although keyward depends on it: run `npm install` again',
  })),
])

/** By `code` of what the file system throws, which knows the path too. */
export function failure(error: unknown): Failure | undefined {
  const { name, code, path } = membersOf(error)
  // Deno's permissions have a name and no code.
  if (name === 'NotCapable') return { code: 'denied', reason: 'NotCapable', fix: 'Start Deno with --allow-read for the directory of the dotenv files' }
  if (typeof code !== 'string') return undefined
  const known = failures.get(code)?.(typeof path === 'string' ? `Dotenv file "${shown(path)}"` : 'A dotenv file')
  return known === undefined ? undefined : { ...known, reason: code }
}

const ofWrites: ReadonlyMap<string, (what: string) => Failure> = new Map([
  ...each(['EACCES', 'EPERM'], (what) => ({
    code: 'denied',
    fix: `${what} cannot be written by the user of this process. It is replaced by a new file, so its folder has to be writable, and its owner and group must be such that this user may give them to a file: \`chown\` or \`chmod u+w\` the folder and the file`,
  })),
  ...each(['EROFS'], (what) => ({ code: 'denied', fix: `${what} lies on a file system that is mounted for reading: write where it comes from, or mount it for writing` })),
  ...each(['EBUSY'], (what) => ({
    code: 'invalid-config',
    fix: `${what} is a mount of its own, as of a single file into a container, or another program holds it, and so it cannot be replaced: mount its folder instead`,
  })),
  ...each(['ENOSPC', 'EDQUOT'], (what) => ({ code: 'unavailable', fix: `${what} was not written, and is as it was: there is no space left on its disk` })),
  ...each(['EFBIG'], (what) => ({ code: 'unavailable', fix: `${what} was not written, and is as it was: it would be larger than this process may write (\`ulimit -f\`)` })),
  ...each(['ENOENT'], (what) => ({ code: 'invalid-config', fix: `${what} cannot be made: create its folder, or check \`directory\` and \`files\`` })),
])

/** What an error means that ended a write; one that says nothing of it is handed back. */
export function writeFailure(error: unknown, name: string): unknown {
  const { name: kind, code } = membersOf(error)
  if (isSecretError(error)) return error
  if (kind === 'NotCapable') return new SecretError({ code: 'denied', reason: kind, fix: 'Start Deno with --allow-write for the directory of the dotenv files' })
  const known = typeof code === 'string' ? ofWrites.get(code)?.(`Dotenv file "${name}"`) : undefined
  return known === undefined ? error : new SecretError({ ...known, reason: code as string })
}

/** A path as a message may show it: free of what moves a terminal or hides text. */
export function shown(path: string): string {
  return path.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')
}

function each(codes: readonly string[], failureOf: (file: string) => Failure): readonly [string, (file: string) => Failure][] {
  return codes.map((code) => [code, failureOf])
}

function membersOf(error: unknown): { name?: unknown; code?: unknown; path?: unknown } {
  try {
    if (!(error instanceof Error)) return {}
    const { name, code, path } = error as { name: unknown; code?: unknown; path?: unknown }
    return { name, code, path }
  } catch {
    // A hostile getter or a revoked Proxy: whatever it is, it is unknown.
    return {}
  }
}
