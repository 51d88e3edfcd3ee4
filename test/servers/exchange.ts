/** One request of a test to a server of its own, past everything that is under test. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Answer } from './openbao.js'

interface Outgoing {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export function exchange(outgoing: Outgoing, port: number, isSecure: boolean, body: unknown): Promise<Answer> {
  const payload = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const options = { ...outgoing, host: '127.0.0.1', port, agent: false as const, headers: { ...outgoing.headers, 'content-length': Buffer.byteLength(payload) } }
    // The test made the certificate itself, and asks nothing here that could be listened to.
    const sent = isSecure ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options)
    sent.on('error', reject)
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) })
      })
    })
    sent.end(payload)
  })
}
