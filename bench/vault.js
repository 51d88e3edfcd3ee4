/** Rows G, one client: microseconds of a read of one secret of KV version 2, one after another; and of 100 fields of 10 secrets at once. */
import { Agent, request as send } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { answer } from './peers.js'

/** By client: `read(path)` gives the fields of a secret, `field(path, field)` one of them. */
export const clients = {
  fetch: {
    label: '`fetch`, keep-alive',
    open: ({ address, token }) => {
      const read = async (path) => {
        const response = await fetch(`${address}/v1/secret/data/${path}`, { headers: { 'x-vault-token': token } })
        return (await response.json()).data.data
      }
      return { read }
    },
  },
  http: {
    label: '`node:http`, keep-alive',
    open: ({ address, token }) => {
      const agent = new Agent({ keepAlive: true })
      const read = (path) =>
        new Promise((resolve, reject) => {
          const sent = send(`${address}/v1/secret/data/${path}`, { agent, headers: { 'x-vault-token': token } }, (response) => {
            const chunks = []
            response.on('data', (chunk) => chunks.push(chunk))
            response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString()).data.data))
          })
          sent.on('error', reject)
          sent.end()
        })
      return { read }
    },
  },
  'keyward-uncached': { label: 'keyward, `cache: false`', open: (server) => keyward(server, false) },
  keyward: { label: 'keyward, a document from its cache, parsed anew', open: (server) => keyward(server, undefined) },
  'node-vault': {
    label: 'node-vault',
    async open({ address, token }) {
      const { default: createClient } = await import('node-vault')
      const client = createClient({ endpoint: address, token })
      return { read: async (path) => (await client.read(`secret/data/${path}`)).data.data }
    },
  },
  'hashi-vault-js': {
    label: 'hashi-vault-js',
    async open({ address, token }) {
      const { default: Vault } = await import('hashi-vault-js')
      const client = new Vault({ baseUrl: `${address}/v1`, rootPath: 'secret', timeout: 5_000 })
      return { read: async (path) => (await client.readKVSecret(token, path, 0, 'secret')).data }
    },
  },
  '@litehex/node-vault': {
    label: '@litehex/node-vault',
    async open({ address, token }) {
      const { Client } = await import('@litehex/node-vault')
      const client = new Client({ endpoint: address, token })
      return { read: async (path) => (await client.kv2.read({ mountPath: 'secret', path })).data.data.data }
    },
  },
}

async function keyward({ address, token, installed }, cache) {
  const { createSecrets } = await import(pathToFileURL(join(installed, 'node_modules/keyward/dist/index.js')).href)
  const secrets = createSecrets({ provider: { name: 'vault', address, token, mount: 'secret' }, ...(cache === undefined ? {} : { cache }) })
  return { read: (path) => secrets.getSecret(path, { as: 'json' }), field: (path, field) => secrets.getSecret(path, { field }) }
}

const reads = 2_000

if (process.argv[1]?.endsWith('vault.js')) {
  const [kind, address, token, installed] = process.argv.slice(2)
  const { read, field = async (path, name) => (await read(path))[name] } = await clients[kind].open({ address, token, installed })
  for (let warm = 0; warm < 500; warm += 1) await read('bench/0')
  const since = performance.now()
  for (let index = 0; index < reads; index += 1) if ((await read('bench/0')).field0 !== 'value 0') throw new Error(`${kind} read something else`)
  const single = ((performance.now() - since) * 1_000) / reads
  // Fields of nine secrets that nobody asked for yet, and of the one from above: the first such read of the process.
  const wanted = Array.from({ length: 100 }, (_, index) => [`bench/${Math.floor(index / 10)}`, `field${index % 10}`])
  const before = performance.now()
  const values = await Promise.all(wanted.map(([path, name]) => field(path, name)))
  const many = performance.now() - before
  if (values.some((value, index) => value !== `value ${index % 10}`)) throw new Error(`${kind} read something else`)
  answer({ single, many })
}
