import memoizee from 'memoizee'

export function open({ backend }) {
  return { read: memoizee(backend, { promise: true, maxAge: 300_000, length: 1, primitive: true }) }
}
