/** Runs a command, and ends as it does. */
import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { printable } from '../errors/check.js'

/** What programs need to run at all, and nothing that is likely to be a secret. */
const passedOn = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TZ', 'TERM', 'COLORTERM', 'NO_COLOR', 'FORCE_COLOR', 'TMPDIR']
const passedOnByWindows = [
  ...['SYSTEMROOT', 'SYSTEMDRIVE', 'WINDIR', 'COMSPEC', 'PATHEXT', 'TEMP', 'TMP', 'USERNAME', 'USERPROFILE', 'USERDOMAIN', 'HOMEDRIVE', 'HOMEPATH'],
  ...['APPDATA', 'LOCALAPPDATA', 'PROGRAMDATA', 'PROGRAMFILES', 'PROCESSOR_ARCHITECTURE', 'NUMBER_OF_PROCESSORS'],
]
const isWindows = process.platform === 'win32'
const usual: ReadonlySet<string> = new Set([...passedOn, ...(isWindows ? passedOnByWindows : [])])

/** Ends of the command that no signal and no exit is, as shells have them. */
const [notExecutable, notFound] = [126, 127]

/** Variables that a command needs as they are, whether they are set here or not. */
export const isReserved = (name: string): boolean => usual.has(isWindows ? name.toUpperCase() : name) || /^LC_[A-Z]+$/.test(name)

/** The part of this process's environment that a command is handed beside its secrets. */
export function minimalEnvironment(more: readonly string[]): Record<string, string> {
  const isPassed = (name: string): boolean => more.includes(name) || isReserved(name)
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value !== undefined && isPassed(name) ? [[name, value] as const] : [])))
}

export interface ChildEnd {
  readonly exitCode: number
  readonly signal?: NodeJS.Signals
  /** Why it did not start. */
  readonly failure?: string
}

/**
 * @param clean Makes a stream that cleans what the command writes; without it the command writes where this process does.
 * @returns When the command has ended and all that it wrote is written. Never rejects.
 */
export async function runChild(command: readonly string[], environment: Record<string, string>, clean?: () => TransformStream<Uint8Array, Uint8Array>): Promise<ChildEnd> {
  const [program = '', ...parameters] = command
  const output = clean === undefined ? 'inherit' : 'pipe'
  let child: ChildProcess
  try {
    child = spawn(program, parameters, { env: environment, stdio: ['inherit', output, output], windowsHide: true })
  } catch (error) {
    // Of an environment that is too large the system says so at once.
    return { exitCode: notExecutable, failure: `${printable(program)} could not be started (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})` }
  }
  const release = passSignals(child)
  const writing = [pump(child.stdout, process.stdout, clean), pump(child.stderr, process.stderr, clean)]
  const end = await ended(child, program)
  await Promise.all(writing)
  release()
  return end
}

function ended(child: ChildProcess, program: string): Promise<ChildEnd> {
  return new Promise((resolve) => {
    child.once('error', ({ code }: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return
      const failure = code === 'ENOENT' ? `${printable(program)} was not found` : `${printable(program)} could not be started (${code ?? 'unknown error'})`
      resolve({ exitCode: code === 'ENOENT' ? notFound : notExecutable, failure })
    })
    child.once('exit', (code, signal) => resolve(signal === null ? { exitCode: code ?? 1 } : { exitCode: 128 + constants.signals[signal], signal }))
  })
}

/** @returns What ends it. */
function passSignals(child: ChildProcess): () => void {
  // On a terminal these come from the keyboard or the window, and the system sends them to the command too: passed on, they would come twice.
  const ofTerminal: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH']
  const others: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']
  const signals = isWindows ? (['SIGINT', 'SIGTERM', 'SIGBREAK'] as const) : [...ofTerminal, ...others]
  const listeners = signals.map((signal) => {
    const listener = (): void => {
      if (!(process.stdin.isTTY && ofTerminal.includes(signal))) child.kill(signal)
    }
    process.on(signal, listener)
    return [signal, listener] as const
  })
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener)
  }
}

async function pump(from: Readable | null, to: NodeJS.WriteStream, clean: (() => TransformStream<Uint8Array, Uint8Array>) | undefined): Promise<void> {
  if (from === null || clean === undefined) return
  const stage = clean()
  const reading = (async (): Promise<void> => {
    for await (const chunk of stage.readable as unknown as AsyncIterable<Uint8Array>) if (!to.write(chunk)) await drained(to)
  })()
  const writer = stage.writable.getWriter()
  // The command hears that nobody reads any more when it writes again, as it would without us between.
  const leave = (): void => void from.destroy()
  to.once('error', leave)
  try {
    for await (const chunk of from) await writer.write(chunk as Uint8Array)
    await writer.close()
    await reading
  } catch (error) {
    // Nobody reads any more: what the stage says of that has nobody to hear it, and the command ends by itself.
    from.destroy()
    await writer.abort(error).catch(() => undefined)
    await reading.catch(() => undefined)
  } finally {
    to.off('error', leave)
  }
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  const ends = ['drain', 'close', 'error'] as const
  return new Promise((resolve) => {
    const settle = (): void => {
      for (const end of ends) stream.off(end, settle)
      resolve()
    }
    for (const end of ends) stream.on(end, settle)
  })
}
