/** One request over HTTP on connections of its maker: bounded in size, ended by its signal, and with no redirect followed, since what it carries would go along. */
import { request as requestOverHttp, type Agent, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as requestOverTls } from 'node:https'

export interface ExchangeOptions {
  readonly agent: Agent
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer | undefined
  readonly signal: AbortSignal
  /** Bytes of an answer that are read at most. */
  readonly largestAnswer: number
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Why an answer was not taken. */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError'
  readonly fault: 'too-large' | 'redirected' | 'other-protocol'
  readonly status: number

  constructor(fault: ExchangeError['fault'], status: number) {
    super('the answer was not taken')
    this.fault = fault
    this.status = status
  }
}

/** @throws ExchangeError, the signal's reason, or the system's error. */
export async function exchange(url: URL, options: ExchangeOptions): Promise<Answer> {
  options.signal.throwIfAborted()
  const response = await send(url, options)
  const { statusCode: status = 0, headers } = response
  if (status >= 300 && status < 400) {
    response.destroy()
    throw new ExchangeError('redirected', status)
  }
  return { status, headers, text: await readText(response, options) }
}

function send(url: URL, { agent, method, headers, body, signal }: ExchangeOptions): Promise<IncomingMessage> {
  const options: RequestOptions = { method, agent, headers: { ...headers, ...(body === undefined ? {} : { 'content-length': body.length }) } }
  return new Promise((resolve, reject) => {
    const sent = url.protocol === 'https:' ? requestOverTls(url, options) : requestOverHttp(url, options)
    const abort = (): void => void sent.destroy()
    signal.addEventListener('abort', abort, { once: true })
    sent.on('response', resolve)
    sent.on('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error))
    sent.on('close', () => {
      signal.removeEventListener('abort', abort)
      // Of an answer that changes the protocol there is neither an answer nor an error.
      reject(signal.aborted ? (signal.reason as Error) : new ExchangeError('other-protocol', 101))
    })
    sent.end(body)
  })
}

async function readText(response: IncomingMessage, { signal, largestAnswer }: ExchangeOptions): Promise<string> {
  try {
    return await collectText(response, largestAnswer, response.statusCode)
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}

/**
 * All that comes, as UTF-8.
 * @param most Bytes.
 * @throws ExchangeError `too-large` once there are more, and reads no further.
 */
export async function collectText(stream: AsyncIterable<unknown>, most: number, status = 0): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > most) throw new ExchangeError('too-large', status)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Undefined where it is no object of JSON. An empty text is one without members: 204 has none. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    // The error quotes the text, which may be a secret.
    return undefined
  }
}
