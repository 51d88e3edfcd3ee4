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

describe('AWS Secrets Manager conforms', () => {
  conforms(() => createAwsHarness(server, proxy), ['empty string', 'lease', 'narrow expiry', 'watch'], 60_000)
})
