/** The conformance kit against moto, which holds the provider's user to IAM. */
import { afterAll, beforeAll, describe } from 'vitest'
import { FaultProxy } from '../../servers/fault-proxy.js'
import { Moto } from '../../servers/moto.js'
import { conforms } from '../conforms.js'
import { createAwsHarness } from './harness.js'

let server: Moto
let proxy: FaultProxy
beforeAll(async () => {
  server = await Moto.start()
  proxy = await FaultProxy.start(server.address)
}, 120_000)
afterAll(() => Promise.all([server.stop(), proxy.stop()]))

describe.each([
  ['', false, ['narrow expiry']],
  [', with a session for each agent,', true, []],
] as const)('AWS Secrets Manager%s conforms', (_, hasAgents, absent) => {
  conforms(() => createAwsHarness(server, proxy, hasAgents), ['empty string', 'lease', 'watch', ...absent], 60_000)
})
