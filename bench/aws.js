/** Rows H, one client of AWS Secrets Manager: calls and milliseconds for 100 cold names, for 10,000 callers of one cold name, and nanoseconds of a cached read. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SecretsManagerClient, GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { SecretsProvider } from '@aws-lambda-powertools/parameters/secrets'
import secretsManager from '@middy/secrets-manager'
import { answer } from './peers.js'

const region = 'eu-west-1'
const credentials = { accessKeyId: 'not-a-real-key', secretAccessKey: 'not-a-real-key' }

/** By client: `read(name)` gives a secret, `readAll(names)` several at once, and `isCached` says whether a second read makes no call. */
export const awsClients = {
  sdk: {
    label: '@aws-sdk/client-secrets-manager',
    isCached: false,
    open: ({ address }) => {
      const client = new SecretsManagerClient({ region, endpoint: address, credentials })
      return { read: async (name) => (await client.send(new GetSecretValueCommand({ SecretId: name }))).SecretString }
    },
  },
  keyward: {
    label: 'keyward',
    isCached: true,
    open: async ({ address, installed }) => {
      const { createSecrets } = await import(pathToFileURL(join(installed, 'node_modules/keyward/dist/index.js')).href)
      const secrets = createSecrets({ provider: { name: 'aws', region, endpoint: address, credentials } })
      return { read: secrets.getSecret }
    },
  },
  powertools: {
    label: '@aws-lambda-powertools/parameters',
    isCached: true,
    open: ({ address }) => {
      const provider = new SecretsProvider({ clientConfig: { region, endpoint: address, credentials } })
      return { read: (name) => provider.get(name, { maxAge: 300 }) }
    },
  },
  middy: {
    label: '@middy/secrets-manager',
    isCached: true,
    open: ({ address }) => {
      const options = { awsClientOptions: { region, endpoint: address, credentials }, disablePrefetch: true, cacheExpiry: 300_000, setToContext: true }
      const middlewares = new Map()
      // A middleware reads what it was made for.
      const readAll = async (names) => {
        const key = names.join()
        if (!middlewares.has(key)) middlewares.set(key, secretsManager({ ...options, cacheKey: `bench ${key}`, fetchData: Object.fromEntries(names.map((name) => [name, name])) }))
        const request = { internal: {}, context: {} }
        await middlewares.get(key).before(request)
        return names.map((name) => request.context[name])
      }
      return { readAll, read: async (name) => (await readAll([name]))[0] }
    },
  },
}

const cachedReads = 100_000

if (process.argv[1]?.endsWith('aws.js')) {
  const [kind, address, installed] = process.argv.slice(2)
  const { isCached, open } = awsClients[kind]
  const opened = await open({ address, installed })
  const { read, readAll = (names) => Promise.all(names.map((name) => read(name))) } = opened
  const measure = async (run) => {
    await fetch(address)
    const since = performance.now()
    await run()
    const milliseconds = performance.now() - since
    return { milliseconds, calls: Number(await (await fetch(address)).text()) }
  }
  const expectAll = (values, names) => {
    if (values.some((value, index) => value !== `value of ${names[index]}`)) throw new Error(`${kind} read something else`)
  }
  // What is loaded and connected once is no part of a read.
  expectAll(await readAll(['warm_up_0', 'warm_up_1']), ['warm_up_0', 'warm_up_1'])
  const names = Array.from({ length: 100 }, (_, index) => `bench_name_${index}`)
  const cold = await measure(async () => expectAll(await readAll(names), names))
  const callers = await measure(async () => {
    const values = await Promise.all(Array.from({ length: 10_000 }, () => read('bench_one')))
    if (values.some((value) => value !== 'value of bench_one')) throw new Error(`${kind} read something else`)
  })
  let cached
  if (isCached) {
    const rounds = []
    for (let round = 0; round < 7; round += 1) {
      const since = performance.now()
      for (let index = 0; index < cachedReads; index += 1) await read('bench_one')
      rounds.push(((performance.now() - since) * 1_000_000) / cachedReads)
    }
    cached = Math.min(...rounds)
  }
  answer({ coldCalls: cold.calls, cold: cold.milliseconds, callersCalls: callers.calls, callers: callers.milliseconds, cached })
}
