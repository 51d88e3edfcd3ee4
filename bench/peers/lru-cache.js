import { LRUCache } from 'lru-cache'

export function open({ backend }) {
  const cache = new LRUCache({ max: 200_000, ttl: 300_000, fetchMethod: (name) => backend(name) })
  return { read: (name) => cache.fetch(name) }
}
