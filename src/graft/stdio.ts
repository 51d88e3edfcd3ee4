/** Tools over standard input and output: a message a line, and on stdout nothing else. */
import { constants } from 'node:os'
import { checkObject } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { surviveFaults } from './crash.js'
import { Lines, type Line } from './lines.js'
import { failed, invalidRequest, Session, type Answer } from './protocol.js'
import { Output } from './output.js'
import { errorResult } from './result.js'
import { commonKeys, lineOf, longestLine, ofLine, Serving, type ServeOptions, type Tools } from './serve.js'
import { called, writeToStderr } from './stderr.js'

let isServing = false
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Milliseconds after the end that something which a tool left running may keep the process, since Graft waits for its end; and that an answer may wait without being read. */
const patience = 5_000

/**
 * Serves tools over stdin and stdout, as Graft starts a server: `mcp.NewStdioTransport(exec.Command("node", "tools.js"))`. What else is written to stdout meanwhile goes
 * to stderr.
 * @returns When stdin has ended, or a signal came, and all that ran was answered.
 * @throws SecretError `invalid-config` for tools and options that are not understood.
 */
export async function serveStdio(tools: Tools, options: ServeOptions = {}): Promise<void> {
  const serving = new Serving(tools, checkObject(options, 'options', commonKeys), ofLine)
  if (isServing) throw invalidConfig('serveStdio', 'serves in this process already', 'one call with all of its tools')
  isServing = true
  const gone = new AbortController()
  const session = new Session(serving.server, gone.signal)
  const output = new Output(patience, () => gone.abort())
  const ends = [takeStdout(), surviveFaults(serving), answerAtExit(session, output)]
  try {
    const signal = await serve({ serving, session, output }, gone.signal)
    if (signal !== undefined) process.exit(128 + constants.signals[signal])
    if (!serving.server.calls.areAllEnded) setTimeout(() => process.exit(), patience).unref()
  } finally {
    for (const end of ends) end()
    isServing = false
  }
}

interface Served {
  readonly serving: Serving
  readonly session: Session
  readonly output: Output
}

/** @param gone Aborts when nobody reads the answers any more. */
async function serve(served: Served, gone: AbortSignal): Promise<NodeJS.Signals | undefined> {
  const { output } = served
  const working = new Set<Promise<void>>()
  const lines = new Lines(longestLine)
  const take = (line: Line): void => {
    const work = answerLine(served, line).finally(() => working.delete(work))
    working.add(work)
  }
  const input = process.stdin
  const onData = (chunk: Buffer | string): void => lines.push(Buffer.from(chunk)).forEach(take)
  const signal = await new Promise<NodeJS.Signals | undefined>((resolve) => {
    const release = onSignals(resolve, () => output.hurry())
    const end = (): void => {
      release()
      resolve(undefined)
    }
    input.on('data', onData).once('end', end).once('error', end).once('close', end)
    gone.addEventListener('abort', end, { once: true })
  })
  input.off('data', onData)
  if (signal === undefined && !gone.aborted) lines.end().forEach(take)
  // Open, it would keep the process, which nobody waits for.
  else input.destroy()
  await Promise.all(working)
  await output.drained()
  return signal
}

async function answerLine({ serving, session, output }: Served, line: Line): Promise<void> {
  if ('tooLong' in line) return output.write(lineOf(failed(line.id, invalidRequest, `Invalid request: a line is at most ${longestLine} bytes.`)))
  if (line.text.trim() === '') return
  const answer = await session.answer(line.text)
  if (answer === undefined) return
  const answers = isBatch(answer) ? answer : [answer]
  const lines = (await Promise.all(answers.map(async (one) => serving.clean(one)))).map(lineOf)
  const batch = `[${lines.join(',')}]`
  // One by one they are no batch, and can be read.
  for (const one of isBatch(answer) && Buffer.byteLength(batch) < longestLine ? [batch] : lines) output.write(one)
  for (const { id } of answers) session.told(id)
}

const isBatch = (answer: Answer | readonly Answer[]): answer is readonly Answer[] => Array.isArray(answer)

/** Keeps stdout for the protocol: what a tool prints goes to stderr, and what ends stdout ends nothing. */
function takeStdout(): () => void {
  const { stdout } = process
  const end = (...given: readonly unknown[]): typeof stdout => {
    if (typeof given[0] === 'string' || given[0] instanceof Uint8Array) writeToStderr(given[0])
    called(given)
    return stdout
  }
  const own = Object.entries({ write: writeToStderr, end, destroy: () => stdout, destroySoon: () => undefined }).map(([name, value]) => {
    const before = Object.getOwnPropertyDescriptor(stdout, name)
    Object.defineProperty(stdout, name, { value, writable: true, configurable: true })
    return [name, before] as const
  })
  return () => {
    for (const [name, before] of own) {
      if (before === undefined) Reflect.deleteProperty(stdout, name)
      else Object.defineProperty(stdout, name, before)
    }
  }
}

/** When the process ends all the same, by `process.exit` in a tool for example, whoever waits is told. Nothing but what is written at once is written then. */
function answerAtExit(session: Session, output: Output): () => void {
  const answer = (): void => {
    for (const id of session.pending) output.write(lineOf({ jsonrpc: '2.0', id, result: errorResult('The process of the tool ended before it answered.') }))
    output.flush()
  }
  process.on('exit', answer)
  return () => process.off('exit', answer)
}

/** The first ends what is read; the second the process. Where the app handles a signal itself it is left to the app. */
function onSignals(end: (signal: NodeJS.Signals) => void, endNow: () => void): () => void {
  const listeners = signals
    .filter((signal) => process.listenerCount(signal) === 0)
    .map((signal) => {
      let isSecond = false
      const listener = (): void => {
        if (isSecond) {
          endNow()
          process.exit(128 + constants.signals[signal])
        }
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
