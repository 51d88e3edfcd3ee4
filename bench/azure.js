/** Rows I, one client of Azure Key Vault: microseconds of a read that asks the vault, one after another; calls and milliseconds for 100 cold names; nanoseconds of a cached read. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SecretClient } from '@azure/keyvault-secrets'
import { answer } from './peers.js'

const credential = { getToken: async () => ({ token: 'not-a-real-token', expiresOnTimestamp: Date.now() + 3_600_000 }) }

async function keyward({ address, installed }, cache) {
  const { createSecrets } = await import(pathToFileURL(join(installed, 'node_modules/keyward/dist/index.js')).href)
  const provider = { name: 'azure', vaultUrl: address, allowInsecureEmulator: true, credential }
  return { read: createSecrets({ provider, ...(cache === undefined ? {} : { cache }) }).getSecret }
}

/** By client: `read(name)` gives a secret, and `isCached` says whether a second read makes no call. */
export const azureClients = {
  sdk: {
    label: '@azure/keyvault-secrets',
    isCached: false,
    open: ({ address }) => {
      const client = new SecretClient(address, credential, { allowInsecureConnection: true, disableChallengeResourceVerification: true })
      return { read: async (name) => (await client.getSecret(name)).value }
    },
  },
  'keyward-uncached': { label: 'keyward, `cache: false`', isCached: false, open: (server) => keyward(server, false) },
  keyward: { label: 'keyward', isCached: true, open: (server) => keyward(server, undefined) },
}

const reads = 1_000
const cachedReads = 100_000

if (process.argv[1]?.endsWith('azure.js')) {
  const [kind, address, installed] = process.argv.slice(2)
  const { isCached, open } = azureClients[kind]
  const { read } = await open({ address, installed })
  const expectValue = (value, name) => {
    if (value !== `value of ${name}`) throw new Error(`${kind} read something else`)
  }
  for (let warm = 0; warm < 200; warm += 1) expectValue(await read(`warm-${warm}`), `warm-${warm}`)
  let single
  if (!isCached) {
    const since = performance.now()
    for (let index = 0; index < reads; index += 1) expectValue(await read('bench'), 'bench')
    single = ((performance.now() - since) * 1_000) / reads
  }
  const names = Array.from({ length: 100 }, (_, index) => `bench-${index}`)
  await fetch(address)
  const before = performance.now()
  const values = await Promise.all(names.map((name) => read(name)))
  const many = performance.now() - before
  for (const [index, value] of values.entries()) expectValue(value, names[index])
  const calls = Number(await (await fetch(address)).text())
  let cached
  if (isCached) {
    const rounds = []
    for (let round = 0; round < 7; round += 1) {
      const since = performance.now()
      for (let index = 0; index < cachedReads; index += 1) await read('bench-1')
      rounds.push(((performance.now() - since) * 1_000_000) / cachedReads)
    }
    cached = Math.min(...rounds)
  }
  answer({ single, many, calls, cached })
}
