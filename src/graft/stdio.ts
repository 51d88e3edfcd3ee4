/** Tools over standard input and output: a message a line, and on stdout nothing else. */
import { constants } from 'node:os'
import { onEndingSignals } from '../ending-signals.js'
import { checkObject } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { withResolvers } from './calls.js'
import { surviveFaults } from './crash.js'
import { Input } from './input.js'
import type { Line } from './lines.js'
import { failed, idsIn, invalidRequest, Session, type Answer, type Id } from './protocol.js'
import { Output } from './output.js'
import { errorResult } from './result.js'
import { commonKeys, lineOf, longestLine, ofLine, Serving, type ServeOptions, type Tools } from './serve.js'
import { called, writeToStderr } from './stderr.js'

let isServing = false
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
  const ends = [takeStdout(), surviveFaults(serving)]
  try {
    await serve({ serving, session, output }, gone.signal)
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
async function serve(served: Served, gone: AbortSignal): Promise<void> {
  const { session, output } = served
  const working = new Set<Promise<void>>()
  const take = (line: Line): void => {
    const work = answerLine(served, line).finally(() => working.delete(work))
    working.add(work)
  }
  const { promise: ended, resolve: end } = withResolvers<void>()
  const input = new Input(longestLine, take, end)
  let signal: NodeJS.Signals | undefined
  const onSignal = (received: NodeJS.Signals): void => {
    signal = received
    // Who calls meanwhile is told.
    session.close()
    end()
  }
  // What the app handles itself is left to the app.
  const isOurs = (name: NodeJS.Signals): boolean => process.listenerCount(name) === 0
  const ends = [onEndingSignals({ end: onSignal, endNow: () => output.hurry(), isOurs }), answerAtExit(input, session, output)]
  gone.addEventListener('abort', () => end(), { once: true })
  await ended
  if (signal === undefined) input.end()
  // Open, it would keep the process, which nobody waits for.
  if (gone.aborted) process.stdin.destroy()
  while (working.size > 0) await Promise.all(working)
  await output.drained()
  // It may have come after the end of stdin as well.
  if (signal !== undefined) process.exit(128 + constants.signals[signal])
  for (const release of ends) release()
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
function answerAtExit(input: Input, session: Session, output: Output): () => void {
  const tell = (ids: readonly Id[]): void => {
    for (const id of ids) output.write(lineOf({ jsonrpc: '2.0', id, result: errorResult('The process of the tool ended before it answered.') }))
    output.flush()
  }
  const onExit = (): void => {
    tell(session.pending)
    input.handOver((lines) => tell(lines.flatMap((line): readonly Id[] => ('tooLong' in line ? [line.id] : idsIn(line.text)))))
  }
  process.on('exit', onExit)
  return () => process.off('exit', onExit)
}
