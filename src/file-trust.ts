/** Whether a file that steers secrets may be believed: for dotenv files and configs. */
import { invalidConfig } from './errors/secret-error.js'

/**
 * Refuses a file that somebody else could have written: one that is neither this user's nor root's, or that everyone can write.
 * Under sudo the user who called it counts as this user. Not checked on Windows, whose modes say nothing.
 * @param stats Of the opened handle (`fstat`), so that what is checked is what is read.
 * @param what How the error names it, for example `dotenv file ".env"`.
 * @throws SecretError `invalid-config`.
 */
export function checkTrust(stats: { uid: number; mode: number }, what: string): void {
  if (typeof process === 'undefined' || process.platform === 'win32' || process.getuid === undefined) return
  const user = currentUser(what)
  const owners = [user, 0, ...sudoUser(user)]
  if (!owners.includes(stats.uid)) {
    throw invalidConfig(
      what,
      `belongs to user ${stats.uid}, who is neither the user of this process (${user}) nor root`,
      `a file of this user: run \`chown ${user}\` on it, or the process as its owner (\`--user\` of a container)`,
    )
  }
  if ((stats.mode & 0o002) !== 0) throw invalidConfig(what, 'can be written by everyone', 'a file that only its owner can write: run `chmod o-w` on it')
}

function currentUser(what: string): number {
  try {
    return process.getuid?.() ?? -1
  } catch {
    throw invalidConfig(what, 'cannot be checked for its owner', 'the permission to ask for the user: `--allow-sys=uid` of Deno')
  }
}

function sudoUser(user: number): readonly number[] {
  const caller = process.env['SUDO_UID']
  return user === 0 && caller !== undefined && /^\d{1,10}$/.test(caller) ? [Number(caller)] : []
}
