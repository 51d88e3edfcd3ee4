/** The conformance kit against a real server, for both versions of KV. */
import { afterAll, beforeAll, describe } from 'vitest'
import { OpenBao } from '../../servers/openbao.js'
import { Postgres } from '../../servers/postgres.js'
import { conforms } from '../conforms.js'
import { createVaultHarness } from './harness.js'

let server: OpenBao
let database: Postgres
beforeAll(async () => {
  ;[server, database] = await Promise.all([OpenBao.start(), Postgres.start()])
}, 120_000)
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()])
})

describe.each([
  ['KV version 1', { version: 1 }, ['version', 'batch', 'watch', 'narrow expiry']],
  ['KV version 2', { version: 2 }, ['batch', 'watch', 'narrow expiry']],
  ['KV version 2, with a token for each agent,', { version: 2, hasAgents: true }, ['batch', 'watch']],
] as const)('%s conforms', (_, options, absent) => {
  conforms(() => createVaultHarness(server, database, options), absent, 60_000)
})
