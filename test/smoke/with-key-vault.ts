/**
 * Runs a program of another runtime against a vault on this machine: `node with-key-vault.ts PROGRAM ARGUMENT...`. It is told in `SMOKE_KEY_VAULT` where the vault is and who
 * may do what there, and asks over its channel for faults (`{ login: { status, headers } }`, `{ machine: … }`, undefined for none). Its exit code is that of the program.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthority } from '../servers/certificates.ts'
import { status, type Fault } from '../servers/fault-proxy.ts'
import installServer from '../servers/install-openbao.ts'
import { KeyVault } from '../servers/key-vault/index.ts'
import { Machine } from '../servers/key-vault/managed-identity.ts'

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

const [program = '', ...programArguments] = process.argv.slice(2)
await installServer()
const directory = await mkdtemp(join(tmpdir(), 'keyward-smoke-'))
const authority = await createAuthority()
const writer = { clientId: randomUUID(), secret: `secret-of-the-writer-${randomUUID()}` }
const reader = { clientId: randomUUID(), secret: `secret-of-the-reader-${randomUUID()}` }
const ofMachine = { clientId: randomUUID(), managed: 'system-assigned' } as const
const assigned = { clientId: randomUUID(), managed: { objectId: randomUUID(), resourceId: `/subscriptions/${randomUUID()}` } }
const vault = await KeyVault.start(authority, [writer, reader, ofMachine, assigned])
const machine = await Machine.start()
machine.identities = vault.entra.machine
vault.grant(writer.clientId, { get: true, list: true, set: true, delete: true })
vault.grant(reader.clientId, { get: ['search-key'] })
for (const { clientId } of [ofMachine, assigned]) vault.grant(clientId, { get: true })

let code: unknown = 1
try {
  const trusted = join(directory, 'authority.pem')
  await writeFile(trusted, authority.certificate)
  const child = spawn(program, programArguments, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      NODE_EXTRA_CA_CERTS: trusted,
      AZURE_POD_IDENTITY_AUTHORITY_HOST: machine.address,
      SMOKE_KEY_VAULT: JSON.stringify({ vaultUrl: vault.address, tenantId: vault.entra.tenant, writer, reader, assigned }),
    },
  })
  child.on('message', (wanted: { readonly login?: Answer; readonly machine?: Answer }) => {
    vault.spoilLogins(faultOf(wanted.login))
    machine.fault = faultOf(wanted.machine)
    child.send('done')
  })
  ;[code] = (await Promise.race([once(child, 'exit'), once(child, 'error').then(([error]) => Promise.reject(error as Error))])) as [number | null]
} finally {
  await Promise.all([vault.stop(), machine.stop(), authority.close(), rm(directory, { recursive: true })])
}
process.exitCode = typeof code === 'number' ? code : 1

function faultOf(answer: Answer | undefined): Fault | undefined {
  return answer === undefined ? undefined : status(answer.status, answer.headers ?? {}, '{"error":"canary","error_description":"canary of the server"}')
}
