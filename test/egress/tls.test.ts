import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAuthority } from '../servers/certificates.js'

let directory: string
let script: string
const servers: Server[] = []
/** By the name in its certificate. */
const ports: Record<string, number> = {}
const keys: (string | undefined)[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keyward-tls-'))
  script = join(directory, 'child.mjs')
  const authority = await createAuthority()
  await writeFile(join(directory, 'ca.pem'), authority.certificate)
  for (const name of ['localhost', 'other.example']) {
    const { certificate, key } = await authority.issue(name)
    // One for each version of the protocol, of which the older is refused.
    for (const version of ['TLSv1.3', 'TLSv1.1'] as const) {
      const server = createServer({ cert: certificate, key, minVersion: 'TLSv1.1', maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }, (request, response) => {
        keys.push(request.headers.authorization)
        response.end(`${request.headers.host?.split(':')[0]} ${request.headers.authorization}`)
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      servers.push(server)
      ports[`${name} ${version}`] = (server.address() as AddressInfo).port
    }
  }
  await authority.close()
  const entry = fileURLToPath(new URL('tls-child.ts', import.meta.url))
  await build({
    entryPoints: [entry],
    outfile: script,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['@opentelemetry/api', 'dotenv'],
    logLevel: 'silent',
  })
}, 60_000)
afterAll(async () => {
  for (const server of servers) server.closeAllConnections()
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  await rm(directory, { recursive: true, force: true })
})

interface Told {
  readonly outcomes: readonly string[]
  readonly heard: readonly string[]
}

async function run(origins: readonly string[], variables: Readonly<Record<string, string>> = {}, flags: readonly string[] = []): Promise<Told> {
  keys.length = 0
  const { NODE_EXTRA_CA_CERTS: _, ...inherited } = process.env
  const environment = { ...inherited, ORIGINS: origins.join(' '), ALLOWS: 'yes', NODE_NO_WARNINGS: '1', ...variables }
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, [...flags, script], { env: environment, timeout: 30_000 }, (error, output, errors) => {
      if (error === null) resolve(JSON.parse(output) as Told)
      else reject(new Error(`the child failed: ${output}${errors}`))
    })
  })
}

const trusting = (): Record<string, string> => ({ NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem') })

describe('a connection of https', () => {
  it('is made where the certificate is trusted, past whatever was put in the way of `fetch`', async () => {
    const port = ports['localhost TLSv1.3']!
    const { outcomes, heard } = await run([`https://localhost:${port}`, `https://127.0.0.1:${port}`], trusting())
    expect(outcomes).toEqual([...Array<string>(2).fill('200 localhost Bearer [secret KEY]'), ...Array<string>(2).fill('200 127.0.0.1 Bearer [secret KEY]')])
    expect(heard).toEqual([])
    expect(keys).toEqual(Array<string>(4).fill('Bearer sk-live-4f9d2b7a8c1e'))
  })

  it('is not made through a proxy of the environment', async () => {
    const proxy = { HTTP_PROXY: 'http://127.0.0.1:9', HTTPS_PROXY: 'http://127.0.0.1:9', ALL_PROXY: 'http://127.0.0.1:9', NODE_USE_ENV_PROXY: '1', NO_PROXY: '' }
    const { outcomes } = await run([`https://localhost:${ports['localhost TLSv1.3']}`], { ...trusting(), ...proxy })
    expect(outcomes).toEqual(Array<string>(2).fill('200 localhost Bearer [secret KEY]'))
  })

  it.each([
    ['not by its issuer', 'localhost TLSv1.3', {}, /^unavailable (UNABLE_TO_\w+|SELF_SIGNED_CERT_IN_CHAIN)$/],
    ['not although the process was told to take any', 'localhost TLSv1.3', { NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /^unavailable (UNABLE_TO_\w+|SELF_SIGNED_CERT_IN_CHAIN)$/],
    ['by its issuer, for another name', 'other.example TLSv1.3', 'trusting', /^unavailable ERR_TLS_CERT_ALTNAME_INVALID$/],
    ['by its issuer, for another name, with the process told to take any', 'other.example TLSv1.3', { NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /^unavailable \w+$/],
    ['by its issuer, with an old protocol', 'localhost TLSv1.1', 'trusting', /^unavailable \w+$/],
  ] as const)('is refused where the certificate is trusted %s, and nothing is sent', async (_how, server, variables, expected) => {
    const flags = server.endsWith('1.1') ? ['--tls-min-v1.0', '--tls-cipher-list=DEFAULT@SECLEVEL=0'] : []
    const { outcomes } = await run([`https://localhost:${ports[server]}`], variables === 'trusting' ? trusting() : variables, flags)
    for (const outcome of outcomes) expect(outcome).toMatch(expected)
    expect(keys).toEqual([])
  })

  it('to this machine is refused where it is not allowed, by whatever name it is reached', async () => {
    const port = ports['localhost TLSv1.3']!
    const { outcomes } = await run([`https://localhost:${port}`, `https://127.0.0.1:${port}`, `https://[::1]:${port}`], { ...trusting(), ALLOWS: 'no' })
    expect(outcomes).toEqual(Array<string>(6).fill('denied private-address'))
    expect(keys).toEqual([])
  })

  it('to this machine that waits for one that may use it is used by no other', async () => {
    const { outcomes } = await run([`https://localhost:${ports['localhost TLSv1.3']}`], { ...trusting(), ALLOWS: 'yes no' })
    expect(outcomes).toEqual([...Array<string>(2).fill('200 localhost Bearer [secret KEY]'), ...Array<string>(2).fill('denied private-address')])
    expect(keys.length).toBe(2)
  })
})
