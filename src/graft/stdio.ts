/** Tools over standard input and output: a message a line, and on stdout nothing else. */
import { writeSync } from 'node:fs'
import { constants } from 'node:os'
import { checkObject } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { surviveFaults } from './crash.js'
import { Lines, type Line } from './lines.js'
import { failed, invalidRequest, Session, type Answer } from './protocol.js'
import { errorResult } from './result.js'
import { commonKeys, lineOf, longestLine, Serving, type ServeOptions, type Tools } from './serve.js'

let isServing = false
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** How long after the end something that a tool left running may keep the process: Graft waits for its end. */
const patience = 5_000

/**
 * Serves tools over stdin and stdout, as Graft starts a server: `mcp.NewStdioTransport(exec.Command("node", "tools.js"))`. What else is written to stdout meanwhile goes
 * to stderr.
 * @returns When stdin has ended, or a signal came, and all that ran was answered.
 * @throws SecretError `invalid-config` for tools and options that are not understood.
 */
export async function serveStdio(tools: Tools, options: ServeOptions = {}): Promise<void> {
  const serving = new Serving(tools, checkObject(options, 'options', commonKeys))
  if (isServing) throw invalidConfig('serveStdio', 'serves in this process already', 'one call with all of its tools')
  isServing = true
  const gone = new AbortController()
  const session = new Session(serving.server, gone.signal)
  const stdout = takeStdout()
  const ends = [stdout.release, surviveFaults(serving), answerAtExit(session)]
  try {
    const signal = await serve(serving, session, stdout.write, gone)
    if (signal !== undefined) process.exit(128 + constants.signals[signal])
    if (!serving.server.calls.areAllEnded) setTimeout(() => process.exit(), patience).unref()
  } finally {
    for (const end of ends) end()
    isServing = false
  }
}

async function serve(serving: Serving, session: Session, write: (line: string) => void, gone: AbortController): Promise<NodeJS.Signals | undefined> {
  const working = new Set<Promise<void>>()
  const lines = new Lines(longestLine)
  const take = (line: Line): void => {
    const work = answerLine(serving, session, line, write).finally(() => working.delete(work))
    working.add(work)
  }
  const input = process.stdin
  const onData = (chunk: Buffer | string): void => lines.push(Buffer.from(chunk)).forEach(take)
  const signal = await new Promise<NodeJS.Signals | undefined>((resolve) => {
    const release = onSignals(resolve)
    const end = (): void => {
      release()
      resolve(undefined)
    }
    input.on('data', onData).once('end', end).once('error', end).once('close', end)
    // Nobody reads any more, so nobody is to be answered.
    process.stdout.once('error', () => {
      gone.abort()
      end()
    })
  })
  input.off('data', onData)
  if (signal === undefined) lines.end().forEach(take)
  else input.destroy()
  await Promise.all(working)
  return signal
}

async function answerLine(serving: Serving, session: Session, line: Line, write: (line: string) => void): Promise<void> {
  if ('tooLong' in line) return write(lineOf(failed(line.id, invalidRequest, `Invalid request: a line is at most ${longestLine} bytes.`)))
  if (line.text.trim() === '') return
  const answer = await session.answer(line.text)
  if (answer === undefined) return
  if (!isBatch(answer)) return write(lineOf(await serving.clean(answer)))
  const lines = (await Promise.all(answer.map(async (one) => serving.clean(one)))).map(lineOf)
  const batch = `[${lines.join(',')}]`
  // One by one they are no batch, and can be read.
  for (const one of Buffer.byteLength(batch) < longestLine ? [batch] : lines) write(one)
}

const isBatch = (answer: Answer | readonly Answer[]): answer is readonly Answer[] => Array.isArray(answer)

/** Keeps stdout for the protocol: what a tool prints goes to stderr. */
function takeStdout(): { readonly write: (line: string) => void; readonly release: () => void } {
  const { stdout, stderr } = process
  const own = Object.getOwnPropertyDescriptor(stdout, 'write')
  const write = stdout.write.bind(stdout)
  Object.defineProperty(stdout, 'write', { value: stderr.write.bind(stderr), writable: true, configurable: true })
  const release = (): void => {
    if (own === undefined) Reflect.deleteProperty(stdout, 'write')
    else Object.defineProperty(stdout, 'write', own)
  }
  return { write: (line) => void write(`${line}\n`), release }
}

/** When the process ends all the same, by `process.exit` in a tool for example, whoever waits is told. Nothing but what is written at once is written then. */
function answerAtExit(session: Session): () => void {
  const answer = (): void => {
    for (const id of session.pending) {
      try {
        writeSync(process.stdout.fd, `${JSON.stringify({ jsonrpc: '2.0', id, result: errorResult('The process of the tool ended before it answered.') })}\n`)
      } catch {
        // Nobody reads any more.
      }
    }
  }
  process.on('exit', answer)
  return () => process.off('exit', answer)
}

/** The first ends what is read; the second the process. Where the app handles a signal itself it is left to the app. */
function onSignals(end: (signal: NodeJS.Signals) => void): () => void {
  const listeners = signals
    .filter((signal) => process.listenerCount(signal) === 0)
    .map((signal) => {
      let isSecond = false
      const listener = (): void => {
        if (isSecond) process.exit(128 + constants.signals[signal])
        isSecond = true
        end(signal)
      }
      process.on(signal, listener)
      return [signal, listener] as const
    })
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener)
  }
}
