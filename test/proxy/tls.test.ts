/** To origins of https the proxy connects as `scopedFetch` does, for WebSocket too: to whom the runtime trusts, under the name of the policy. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAuthority } from '../servers/certificates.js'

let directory: string
const servers: Server[] = []
const sockets = new Set<Duplex>()
/** With a certificate for its name, and with one of another name. */
const origins: string[] = []
const keys: (string | undefined)[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keyward-proxy-tls-'))
  const authority = await createAuthority()
  await writeFile(join(directory, 'ca.pem'), authority.certificate)
  for (const name of ['localhost', 'other.example']) {
    const { certificate, key } = await authority.issue(name)
    const server = createServer({ cert: certificate, key }, (request, response) => {
      keys.push(request.headers.authorization)
      response.end(`you sent ${request.headers.authorization}`)
    })
    server.on('upgrade', (request, socket: Duplex) => {
      keys.push(request.headers.authorization)
      sockets.add(socket.on('error', () => undefined))
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    servers.push(server)
    origins.push(`https://localhost:${(server.address() as AddressInfo).port}`)
  }
  await authority.close()
  const entryPoints = [fileURLToPath(new URL('tls-child.ts', import.meta.url))]
  const external = ['@opentelemetry/api', 'dotenv']
  await build({ entryPoints, outfile: join(directory, 'child.mjs'), bundle: true, format: 'esm', platform: 'node', target: 'node20', external, logLevel: 'silent' })
}, 60_000)
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.closeAllConnections()
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  await rm(directory, { recursive: true, force: true })
})

it.each<[string, Record<string, string>, readonly string[], number]>([
  [
    'that are trusted, under their own name, and to no other',
    { TRUSTED: 'yes' },
    ['200 you sent Bearer [secret KEY_0]', '101 hello', '502 ERR_TLS_CERT_ALTNAME_INVALID', '502'],
    2,
  ],
  [
    'that nobody vouches for it does not, whatever the environment says',
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    ['502 UNABLE_TO_VERIFY_LEAF_SIGNATURE', '502', '502 UNABLE_TO_VERIFY_LEAF_SIGNATURE', '502'],
    0,
  ],
])('to origins %s', { timeout: 60_000 }, async (_which, { TRUSTED, ...variables }, outcomes, count) => {
  keys.length = 0
  const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env
  const trust = TRUSTED === undefined ? {} : { NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem') }
  const env = { ...inherited, ORIGINS: origins.join(' '), NODE_NO_WARNINGS: '1', ...trust, ...variables }
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [join(directory, 'child.mjs')], { env, timeout: 30_000 }, (error, told, errors) =>
      error === null ? resolve(told) : reject(new Error(`the child failed: ${told}${errors}`)),
    )
  })
  expect(JSON.parse(output)).toEqual(outcomes)
  expect(keys).toEqual(Array<string>(count).fill('Bearer sk-live-4f9d2b7a8c1e'))
})
