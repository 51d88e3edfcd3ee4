/** One request of a test to a server of its own, past everything that is under test. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Answer } from './openbao.ts'

interface Outgoing {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export async function exchange(outgoing: Outgoing, port: number, isSecure: boolean, body: unknown): Promise<Answer> {
  const { status, text } = await send(outgoing, port, isSecure, body === undefined ? '' : JSON.stringify(body))
  return { status, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) }
}

function send(outgoing: Outgoing, port: number, isSecure: boolean, payload: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const options = { ...outgoing, host: '127.0.0.1', port, agent: false as const, headers: { ...outgoing.headers, 'content-length': Buffer.byteLength(payload) } }
    // The test made the certificate itself, and asks nothing here that could be listened to.
    const sent = isSecure ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options)
    sent.on('error', reject)
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    sent.end(payload)
  })
}
