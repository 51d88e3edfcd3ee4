/** The conformance kit against a real server, for both versions of KV. */
import { afterAll, beforeAll, describe, it } from 'vitest'
import { conformanceCases } from '../../../src/testing/index.js'
import { OpenBao } from '../../servers/openbao.js'
import { Postgres } from '../../servers/postgres.js'
import { createVaultHarness } from './harness.js'

let server: OpenBao
let database: Postgres
beforeAll(async () => {
  ;[server, database] = await Promise.all([OpenBao.start(), Postgres.start()])
}, 120_000)
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()])
})

describe.each([1, 2] as const)('KV version %i conforms', (version) => {
  for (const { name, skip, run } of conformanceCases(() => createVaultHarness(server, database, version))) {
    it(name, { skip: skip !== undefined, timeout: 60_000 }, run)
  }
})
