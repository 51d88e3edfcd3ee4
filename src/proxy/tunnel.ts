/** WebSocket: after a handshake that was admitted, checked and sent like any request, bytes in both directions as they come. */
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Tunnel } from '../egress/exchange.js'
import { passedOn } from './headers.js'

/** The only protocol that is changed to. */
export const protocol = 'websocket'

export const isWebSocket = ({ method, headers }: IncomingMessage): boolean => method === 'GET' && headers.upgrade?.toLowerCase() === protocol

/** What answers on a connection that Node leaves to whoever upgrades it. */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0])
  // What is half ended would be held by a client for as long as it likes.
  response.once('finish', () => socket.end(() => socket.destroy()))
  return response
}

/** Bytes of a client that are kept for what its handshake leads to. */
const longestHead = 65_536

/**
 * Reads on while a handshake is under way, since who leaves is seen by nobody who does not read.
 * @param head What came with the handshake.
 * @returns What hands over all that came.
 */
export function readAhead(socket: Duplex, head: Uint8Array): () => Uint8Array {
  const chunks = [head]
  let length = head.length
  const take = (chunk: Uint8Array): void => {
    chunks.push(chunk)
    length += chunk.length
    if (length >= longestHead) socket.pause()
  }
  const leave = (): void => void socket.destroy()
  socket.on('data', take).once('end', leave)
  return () => {
    socket.pause().off('data', take).off('end', leave)
    return Buffer.concat(chunks)
  }
}

/** Connects both sides until one of them, or the view, ends. */
export function connect(socket: Duplex, head: Uint8Array, tunnel: Tunnel): void {
  const { socket: other, signal } = tunnel
  const destroy = (): void => void socket.destroy()
  socket.once('close', () => {
    tunnel.land()
    signal.removeEventListener('abort', destroy)
    other.destroy()
  })
  other.on('error', destroy)
  // What came before its end is still to be written.
  other.once('close', () => socket.end(destroy))
  signal.addEventListener('abort', destroy, { once: true })
  if (socket.destroyed || other.destroyed || signal.aborted) {
    other.destroy()
    return destroy()
  }
  const lines = [...passedOn(tunnel.headers)].map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${protocol}\r\n${lines.join('')}\r\n`, 'latin1')
  if (tunnel.head.length > 0) socket.write(tunnel.head)
  if (head.length > 0) other.write(head)
  socket.pipe(other)
  other.pipe(socket)
}
