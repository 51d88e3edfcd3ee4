/** Row C, one peer: bytes that an entry takes beyond its name and its value. */
import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { answer, openPeer } from './peers.js'

const entries = 100_000
// Through a Buffer: a text put together by `+` is a rope, and whoever flattens it would be charged for that.
const flat = (text) => Buffer.from(text).toString('latin1')
const names = Array.from({ length: entries }, (_, index) => flat(`bench/team/service-${index}/key`))
const values = Array.from({ length: entries }, (_, index) => flat(`${index}-${'x'.repeat(32)}`))
const places = new Map(names.map((name, index) => [name, index]))
const backend = async (id) => (places.has(id) ? values[places.get(id)] : `value of ${id}`)

// Flights, timers and weak references are let go over several turns.
async function memoryInUse() {
  for (let turn = 0; turn < 8; turn += 1) {
    globalThis.gc()
    await wait(20)
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function readAll(read, names) {
  for (let start = 0; start < names.length; start += 100) await Promise.all(names.slice(start, start + 100).map((name) => read(name)))
}

// Compiled code and type feedback are no entry's, so a first instance makes them.
const first = await openPeer(backend)
const warmUpNames = Array.from({ length: 2_000 }, (_, index) => flat(`bench/warm-up/${index}`))
await (first.fill?.(warmUpNames) ?? readAll(first.read, warmUpNames))

const before = await memoryInUse()
const peer = await openPeer(backend)
const filled = await (peer.fill?.(names) ?? readAll(peer.read, names))
const after = await memoryInUse()

if (peer.fill === undefined) assert.equal(await peer.read(names[entries / 2]), values[entries / 2])
globalThis.held = [first, peer, filled, names, values, places]
answer({ bytes: (after - before) / entries })
