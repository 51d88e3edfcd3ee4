/** Puts new content in the place of a file, so that whoever reads finds the old or the new one, whole, whenever the process is killed or the power fails. */
import { renameSync, statSync, type BigIntStats } from 'node:fs'
import { lstat, open, readlink, realpath, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { SecretError } from '../../src/errors/secret-error.js'
import { temporaryPath, type Hold } from './lock.js'
import { shown } from './failure.js'
import { codeOf, unlessMissing } from '../../src/errors/system-error.js'

const mostLinks = 40
/** Windows refuses to replace a file that somebody reads: tries, with a pause between. */
const mostRenames = process.platform === 'win32' ? 20 : 1

/** Where a path leads through links, also where no file is there yet. */
export async function targetOf(path: string): Promise<string> {
  let current = path
  for (let count = 0; count < mostLinks; count++) {
    const found = await unlessMissing(realpath(current))
    if (found !== undefined) return found
    current = join(await realpath(dirname(current)), basename(current))
    if (!(await isLink(current))) return current
    current = resolve(dirname(current), await readlink(current))
  }
  throw Object.assign(new Error('too many links'), { code: 'ELOOP', path })
}

async function isLink(path: string): Promise<boolean> {
  return (await unlessMissing(lstat(path)))?.isSymbolicLink() === true
}

/**
 * @param target Where no link leads further.
 * @param before What was found there; undefined for a new file, which the user alone may read.
 * @returns False where something else is there by now. Nothing has changed then.
 */
export async function replaceFile(target: string, bytes: Uint8Array, before: BigIntStats | undefined, hold: Hold): Promise<boolean> {
  const temporary = temporaryPath(target, hold)
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(bytes)
      if (before !== undefined && process.platform !== 'win32') {
        const { uid, gid } = await handle.stat({ bigint: true })
        // The owner first: with it go the bits that let a file run as him.
        if (uid !== before.uid || gid !== before.gid) await handle.chown(Number(before.uid), Number(before.gid))
        await handle.chmod(Number(before.mode) & 0o7777)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (!(await hold.isKept())) throw lostLock(target)
    if (!(await replaceIfSame(temporary, target, before))) return false
  } finally {
    // Gone where it took the file's place; else the next writer clears away what this one cannot.
    await unlink(temporary).catch(() => undefined)
  }
  await syncFolder(dirname(target))
  return true
}

/** One right after the other: what somebody writes in between would be lost. */
async function replaceIfSame(from: string, to: string, before: BigIntStats | undefined): Promise<boolean> {
  for (let count = 1; ; count++) {
    const now = statSync(to, { bigint: true, throwIfNoEntry: false })
    if (now === undefined || before === undefined ? now !== before : !isSame(now, before)) return false
    try {
      renameSync(from, to)
      return true
    } catch (error) {
      if (count >= mostRenames || !['EPERM', 'EACCES', 'EBUSY'].includes(codeOf(error))) throw error
      await pause(10 * count)
    }
  }
}

export function isSame(left: BigIntStats, right: BigIntStats): boolean {
  return left.mtimeNs === right.mtimeNs && left.ctimeNs === right.ctimeNs && left.ino === right.ino && left.dev === right.dev && left.size === right.size
}

/** The new entry of the folder too is to outlive a power cut, where the system can be told so. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    // Windows has no such thing. The file has been replaced in any case.
  }
}

function lostLock(target: string): SecretError {
  return new SecretError({
    code: 'unavailable',
    fix: `The write to "${shown(target)}" stood still for so long that another writer took over, and nothing was changed: try again`,
  })
}
