import { createCache } from 'async-cache-dedupe'

export function open({ backend }) {
  const cache = createCache({ ttl: 300, storage: { type: 'memory', options: { size: 200_000 } } })
  cache.define('secret', (name) => backend(name))
  return { read: (name) => cache.secret(name) }
}
