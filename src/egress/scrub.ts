/** An answer as a caller gets it: without what is known in it, and without what would hide that. */
import { codeOf } from '../errors/system-error.js'
import { isSecretError } from '../errors/secret-error.js'
import { isToken } from '../errors/check-travel.js'
import type { Carrier } from '../seam.js'
import type { Incoming, Source } from './answer.js'
import { asUtf8, charsetOf, isText, Recoder } from './charset.js'
import { codingsOf } from './coding.js'
import type { Flight } from './flight.js'
import { namedByConnection, ofTransport } from './names.js'
import { failure, refusal } from './refusal.js'

/** https://fetch.spec.whatwg.org/#redirect-status */
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** What a caller gets, before it is a `Response`. */
export interface Answer {
  readonly status: number
  readonly statusText: string
  readonly type: Response['type']
  /** In small letters, several of one name as they came. */
  readonly headers: readonly (readonly [string, string])[]
  /** Undefined where there is none. Whoever does not read it to its end cancels it. */
  readonly body: CleanBody | undefined
}

/**
 * @param url Without the secret.
 * @param secret Since a header's name is told in small letters, and redaction knows none but the value's own.
 */
export function answer(flight: Flight, incoming: Incoming, url: URL, secret: string): Answer {
  const { carrier } = flight
  try {
    flight.look()
    refuse(carrier, incoming, url)
    const contentType = headerOf(incoming, 'content-type')
    const body = incoming.source === undefined ? undefined : bodyOf(flight, incoming, url, contentType)
    if (body === undefined) flight.land()
    const headers = cleanAnswerHeaders(carrier, incoming.headers, secret, body === undefined ? (value) => value : (value) => asUtf8(value))
    return { status: incoming.status, statusText: cleanText(carrier, incoming.statusText), type: incoming.type, headers, body }
  } catch (error) {
    incoming.source?.cancel()
    throw error
  }
}

/** @throws SecretError `denied` for what must not be followed, or cannot be looked through. */
function refuse(carrier: Carrier, { status, headers, isRedirected }: Incoming, { origin }: URL): void {
  // Google's "Resume Incomplete" is one that leads nowhere.
  const isResumed = status === 308 && !headers.some(([name]) => name.toLowerCase() === 'location')
  if (isRedirected || (redirects.has(status) && !isResumed))
    throw refusal(carrier, 'redirect', `${origin} sent the request elsewhere`, 'Call the address that it now has, which has to be among `origins` and `paths`')
  if (status === 206) throw refusal(carrier, 'partial', `${origin} answered with a part, in which a secret may be cut`, 'Ask for the whole: ranges are not passed on')
  if (!(status >= 200 && status <= 599)) throw failure(carrier, origin, 'ERR_HTTP_INVALID_STATUS_CODE')
}

const headerOf = ({ headers }: Incoming, name: string): string =>
  headers
    .filter(([other]) => other.toLowerCase() === name)
    .map(([, value]) => value)
    .join(', ')

function bodyOf(flight: Flight, incoming: Incoming, url: URL, contentType: string): CleanBody {
  const { carrier } = flight
  const applied = codingsOf(headerOf(incoming, 'content-encoding'))
  // What was done to it on its way is undone by nobody, and not told.
  const isAsSent = ['', 'chunked'].includes(headerOf(incoming, 'transfer-encoding').toLowerCase())
  if (applied === undefined || !isAsSent)
    throw refusal(carrier, 'coding', `${url.origin} answered with a content coding that cannot be looked through here`, 'Have it answer with gzip, deflate, br or none')
  const charset = charsetOf(contentType)
  if (charset !== undefined && 'unknown' in charset)
    throw refusal(carrier, 'charset', `${url.origin} answered with text in a charset that is not known here`, 'Have it answer in UTF-8')
  const source = incoming.decoded(applied)
  flight.cancels(source)
  return new CleanBody(flight, source, url.origin, contentType, charset?.known)
}

/** Reads no more than is asked for. */
export class CleanBody {
  readonly flight: Flight
  readonly #source: Source
  readonly #origin: string
  readonly #stage: ReturnType<Carrier['redactStage']>
  /** Undefined for what is no text. */
  readonly #recoder: Recoder | undefined
  #isOver = false

  constructor(flight: Flight, source: Source, origin: string, contentType: string, charset: string | undefined) {
    this.flight = flight
    this.#source = source
    this.#origin = origin
    this.#stage = flight.carrier.redactStage(flushAtOf(contentType))
    this.#recoder = charset === undefined && !isText(contentType) ? undefined : new Recoder(charset)
  }

  /** Was all of it told? */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * What can be told next; empty at the end, where nothing was left.
   * @throws SecretError `unavailable` where it breaks off; what ended the flight.
   */
  async next(): Promise<Uint8Array> {
    try {
      for (;;) {
        this.flight.look()
        const chunk = await this.flight.until(this.#source.read())
        this.flight.look()
        const pieces = chunk === undefined ? this.#end() : this.#clean(chunk)
        if (chunk === undefined) {
          this.#isOver = true
          this.flight.land()
        }
        const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
        // As one, so that nothing waits in a stream when the view ends.
        if (chunk === undefined || length > 0) return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length)
      }
    } catch (error) {
      this.cancel()
      throw this.#told(error)
    }
  }

  /** Nobody wants the rest. */
  cancel(): void {
    this.flight.land()
    this.#source.cancel()
  }

  #told(error: unknown): unknown {
    const { signal, carrier } = this.flight
    if (signal.aborted) return signal.reason
    return isSecretError(error) ? error : failure(carrier, this.#origin, codeOf(error))
  }

  #clean(chunk: Uint8Array): readonly Uint8Array[] {
    return this.#staged((to) => this.#stage.transform(this.#recoder?.push(chunk) ?? chunk, to))
  }

  #end(): readonly Uint8Array[] {
    return this.#staged((to) => {
      const rest = this.#recoder?.end()
      if (rest !== undefined && rest.length > 0) this.#stage.transform(rest, to)
      this.#stage.flush(to)
    })
  }

  #staged(run: (to: TransformStreamDefaultController<Uint8Array>) => void): readonly Uint8Array[] {
    const pieces: Uint8Array[] = []
    run({ enqueue: (piece: Uint8Array) => void pieces.push(piece) } as unknown as TransformStreamDefaultController<Uint8Array>)
    return pieces
  }
}

/** After what a reader of such a stream must not wait. */
function flushAtOf(contentType: string): 'event' | 'line' | 'end' {
  if (/^\s*text\/event-stream\b/i.test(contentType)) return 'event'
  return /^\s*application\/(?:x-ndjson|ndjson|jsonl|x-jsonlines|json-seq|stream\+json)\b/i.test(contentType) ? 'line' : 'end'
}

/** @param recoded What the content type is of what is handed over. */
export function cleanAnswerHeaders(carrier: Carrier, given: Incoming['headers'], secret: string, recoded: (contentType: string) => string = (value) => value): Answer['headers'] {
  const headers: (readonly [string, string])[] = []
  const hidden = secret.toLowerCase()
  const named = namedByConnection(given)
  for (const [name, value] of given) {
    const lower = name.toLowerCase()
    // A marker is no name of a header.
    if (ofTransport.has(lower) || named.has(lower) || !isToken(name) || carrier.redact(name) !== name || (hidden !== '' && lower.includes(hidden))) continue
    headers.push([lower, cleanText(carrier, lower === 'content-type' ? recoded(value) : value)])
  }
  return headers
}

/** Each character stands for a byte, which may be one of UTF-8. What a marker has more than that is not shown. */
function cleanText(carrier: Carrier, text: string): string {
  // As text it is the same bytes.
  if (/^[\t\x20-\x7e]*$/.test(text)) return asHeader(carrier.redact(text))
  const bytes = Buffer.from(text, 'latin1')
  return asHeader(carrier.redact(Buffer.from(carrier.redactBytes(bytes)).toString('latin1')))
}

const asHeader = (text: string): string => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '_')
