/** What a client sends behind its headers: read when it is asked for, which is after every check. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Flight } from '../egress/flight.js'
import { OwnStream } from '../egress/globals.js'
import { readAhead, type Body } from '../egress/request.js'

/** What becomes of it as it comes. */
interface Taker {
  take(chunk: Uint8Array): void
  end(): void
  fail(error: unknown): void
}

const nobody: Taker = { take: () => undefined, end: () => undefined, fail: () => undefined }

export class ClientBody {
  readonly isEmpty: boolean
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #taker = nobody

  constructor(response: ServerResponse) {
    const { req: request } = response
    const { 'transfer-encoding': coding, 'content-length': length = '0' } = request.headers
    this.#request = request
    this.#response = response
    this.isEmpty = coding === undefined && Number(length) === 0
  }

  /** What is not too long is waited for, and may be sent again. To be asked once. */
  async take(flight: Flight): Promise<Body> {
    if (this.isEmpty) return undefined
    const request = this.#request
    // A client that waits for leave to send gets it now.
    if (request.headers.expect !== undefined) this.#response.writeContinue()
    const chunks: Uint8Array[] = []
    const isWhole = await flight.until(this.#gather(chunks))
    return isWhole ? (chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)) : this.#stream(chunks)
  }

  /** Nobody wants the rest, or all of it: it is passed over, since the next request of the connection stands behind it. */
  drop(): void {
    if (this.isEmpty) return
    this.#taker = nobody
    this.#request.resume()
  }

  #gather(chunks: Uint8Array[]): Promise<boolean> {
    const request = this.#request
    let length = 0
    return new Promise((resolve, reject) => {
      this.#taker = {
        take(chunk) {
          chunks.push(chunk)
          length += chunk.length
          if (length <= readAhead) return
          request.pause()
          resolve(false)
        },
        end: () => resolve(true),
        fail: reject,
      }
      request
        .on('data', (chunk: Uint8Array) => this.#taker.take(chunk))
        .on('end', () => this.#taker.end())
        .on('error', (error) => this.#taker.fail(error))
    })
  }

  /** As it is asked for. */
  #stream(first: readonly Uint8Array[]): ReadableStream<Uint8Array> {
    const request = this.#request
    return new OwnStream<Uint8Array>(
      {
        start: (controller) => {
          for (const chunk of first) controller.enqueue(chunk)
          this.#taker = {
            take(chunk) {
              request.pause()
              controller.enqueue(chunk)
            },
            end: () => controller.close(),
            fail: (error) => controller.error(error),
          }
        },
        pull() {
          request.resume()
        },
        cancel: () => this.drop(),
      },
      { highWaterMark: 0 },
    )
  }
}
