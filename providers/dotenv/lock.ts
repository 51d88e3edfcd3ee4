/**
 * One writer at a time in a folder, over processes and threads. The lock is a folder with a single file, named by its owner: it is taken by renaming a folder
 * that holds that file to where there is none, or an empty one, and that succeeds for one alone. Nobody's name is used twice, so whoever clears away the file of
 * an owner that died cannot hit the one who came after.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { mkdir, readdir, rename, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext } from '../../src/provider.js'
import { shown } from './failure.js'
import { codeOf, unlessMissing } from '../../src/errors/system-error.js'

export interface Hold {
  /** Names the holder: what it leaves behind carries it, and is cleared away by the next. */
  readonly owner: string
  /** False once another took over, which it does from a holder that died, or stood still for long. */
  isKept(): Promise<boolean>
}

const lockName = '.keyward.lock'
/** Milliseconds after which a lock may be taken over whoever holds it: a write takes some of them. */
const longestHold = 30_000
/** Milliseconds between two looks at the age of a lock. */
const ageGap = 1_000

/** How much of a call's time is spent on waiting: so that it can still say what it waited for. */
const patience = 0.9

/** By folder: those of this thread wait for one another in order, and ask the file system one at a time. */
const queues = new Map<string, Promise<void>>()

/**
 * Runs while no other writer is at work in the folder. What a writer that died left behind is gone by then.
 * @throws What the file system throws where no lock can be made there; the signal's reason where it is aborted before the turn comes; SecretError `timeout` where
 * another holds the lock for longer than the call may take.
 */
export async function withLock<Result>(folder: string, context: CallContext, run: (hold: Hold) => Promise<Result>): Promise<Result> {
  const end = performance.now() + context.timeout * patience
  const release = await waitForTurn(folder, context.signal)
  try {
    const hold = await acquire(folder, context.signal, end)
    try {
      await clear(folder)
      return await run(hold)
    } finally {
      await dropLock(folder, hold.owner)
    }
  } finally {
    release()
  }
}

/** What a writer writes before it takes the place of a file. */
export function temporaryPath(target: string, { owner }: Hold): string {
  return `${target}.keyward-${owner}`
}

async function waitForTurn(folder: string, signal: AbortSignal): Promise<() => void> {
  const before = queues.get(folder) ?? Promise.resolve()
  let end: () => void = () => undefined
  const own = new Promise<void>((resolve) => {
    end = resolve
  })
  const last = before.then(() => own)
  queues.set(folder, last)
  const release = (): void => {
    end()
    if (queues.get(folder) === last) queues.delete(folder)
  }
  try {
    await unlessAborted(before, signal)
    return release
  } catch (error) {
    release()
    throw error
  }
}

async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  let stop: () => void = () => undefined
  const aborted = new Promise<void>((resolve) => {
    stop = resolve
    signal.addEventListener('abort', stop, { once: true })
  })
  await Promise.race([promise, aborted])
  signal.removeEventListener('abort', stop)
  signal.throwIfAborted()
}

async function acquire(folder: string, signal: AbortSignal, end: number): Promise<Hold> {
  const owner = `${self}.${randomBytes(9).toString('hex')}`
  const lock = join(folder, lockName)
  const candidate = `${lock}.${owner}`
  await mkdir(candidate)
  try {
    await writeFile(join(candidate, owner), '')
    let agedAt = performance.now()
    for (;;) {
      signal.throwIfAborted()
      if (await isRenamed(candidate, lock)) break
      if (performance.now() > end) throw heldTooLong(lock)
      const isAgeDue = performance.now() - agedAt > ageGap
      if (isAgeDue) agedAt = performance.now()
      // Told by the clock of the file system, which may be another machine's: what is written now is how late it is there.
      if (isAgeDue) await writeFile(join(candidate, owner), '')
      const now = isAgeDue ? await timeOf(join(candidate, owner)) : undefined
      // An abort ends the pause, and is thrown where the next round begins.
      if (!(await isFreed(lock, now))) await pause(2 + Math.random() * 18, undefined, { signal }).catch(() => undefined)
    }
  } catch (error) {
    // What ended the wait is told, and not what this left behind: the next writer clears it away.
    await rm(candidate, { recursive: true, force: true }).catch(() => undefined)
    throw error
  }
  return { owner, isKept: async () => (await timeOf(join(lock, owner))) !== undefined }
}

/** False where another holds the lock, or may. */
async function isRenamed(candidate: string, lock: string): Promise<boolean> {
  try {
    await rename(candidate, lock)
    return true
  } catch (error) {
    // Windows says EPERM, of an empty folder too.
    if (['ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES', 'EBUSY'].includes(codeOf(error))) return false
    throw error
  }
}

/** Is it worth another try at once? Takes away what an owner that is gone left in the lock. */
async function isFreed(lock: string, now: number | undefined): Promise<boolean> {
  let isFree = true
  try {
    for (const owner of (await unlessMissing(readdir(lock))) ?? []) {
      const path = join(lock, owner)
      if (isDead(owner) || (now !== undefined && now - ((await timeOf(path)) ?? now) > longestHold)) await unlessMissing(unlink(path))
      else isFree = false
    }
  } catch (error) {
    // Of another user, whose folder it is: to be waited for, or to be removed by whoever may.
    if (!['EACCES', 'EPERM'].includes(codeOf(error))) throw error
    return false
  }
  // Where a folder does not take the place of an empty one. It fails where somebody has taken the lock by now.
  if (isFree) await rmdir(lock).catch(() => undefined)
  return isFree
}

async function dropLock(folder: string, owner: string): Promise<void> {
  const lock = join(folder, lockName)
  // Where the file is gone another took over. The folder stays if another's file is in it by now, and empty it is no lock.
  await unlink(join(lock, owner)).catch(() => undefined)
  await rmdir(lock).catch(() => undefined)
}

/**
 * Removes what killed writers left. Files of theirs that wait to take a file's place go whoever wrote them: only the holder writes such, and if one stood still
 * so long that its lock was taken over, it must not come back and undo what is written from now on.
 */
async function clear(folder: string): Promise<void> {
  const temporary = /\.keyward-[\w.]+$/
  let now: number | undefined
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (temporary.test(name) && ownerPattern.test(name.slice(name.lastIndexOf('.keyward-') + '.keyward-'.length))) await unlessMissing(unlink(path))
    if (!name.startsWith(`${lockName}.`)) continue
    const owner = name.slice(lockName.length + 1)
    now ??= await timeOf(join(folder, lockName))
    const isOld = now !== undefined && now - ((await timeOf(path)) ?? now) > longestHold * 2
    // What cannot be removed, as another user's, holds nobody up.
    if (ownerPattern.test(owner) && (isDead(owner) || isOld)) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

const ownerPattern = /^(?<pid>\d+)\.(?<start>\d*)\.(?<system>[0-9a-f]{12})\.[0-9a-f]{18}$/
/** This process among all that may reach the folder: ids of processes mean something within one system and one namespace of ids, until the next start. */
const system = createHash('sha256')
  .update([attempt(hostname), attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')), attempt(() => readlinkSync('/proc/self/ns/pid'))].join('\n'))
  .digest('hex')
  .slice(0, 12)
const ownStart = startOf(process.pid)?.start ?? ''
const self = `${process.pid}.${ownStart}.${system}`

/** Is it certain that the process is gone? */
function isDead(owner: string): boolean {
  const { pid = '', start = '', system: other } = ownerPattern.exec(owner)?.groups ?? {}
  if (other !== system) return false
  if (Number(pid) === process.pid) return start !== ownStart
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    return codeOf(error) === 'ESRCH'
  }
  const found = start === '' ? undefined : startOf(Number(pid))
  // Killed and not yet waited for by its parent, or another process under a number that was given out again.
  return found !== undefined && (found.state === 'Z' || found.state === 'X' || found.start !== start)
}

/** What Linux tells of a process. */
function startOf(pid: number): { state: string; start: string } | undefined {
  const line = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The name of the program, in parentheses, may hold whatever it likes.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [state, start] = [fields[0], fields[19]]
  return state === undefined || start === undefined || !/^\d+$/.test(start) ? undefined : { state, start }
}

async function timeOf(path: string): Promise<number | undefined> {
  return (await unlessMissing(stat(path)))?.mtimeMs
}

function heldTooLong(lock: string): SecretError {
  return new SecretError({
    code: 'timeout',
    reason: 'locked',
    fix: `Another writer holds "${shown(lock)}": try again, or remove that folder if no process writes there. It is taken over where its owner has died, or after 30 s, by a user who may`,
  })
}

function attempt(run: () => string): string {
  try {
    return run()
  } catch {
    // Not this system, or Deno without the permission: locks are then told dead by their age alone.
    return ''
  }
}
