/** Row A, one peer: nanoseconds of one awaited read of a cached name. */
import assert from 'node:assert/strict'
import { measure } from 'mitata'
import { answer, openPeer } from './peers.js'

const readsPerSample = 1_000
const name = 'bench/database/password'
let calls = 0
const {
  read,
  readValue = read,
  events,
  within = (run) => run(),
} = await openPeer(async (id) => {
  calls += 1
  return `value of ${id}`
})

// The same loop for the Map and for everyone else: what differs is `read` alone.
async function readMany(read, name) {
  for (let index = 0; index < readsPerSample; index += 1) await read(name)
}

const warmUps = 200
async function measureReads() {
  // Neighbours, so that no peer has a table of one entry.
  for (let index = 0; index < 50; index += 1) await read(`bench/neighbour/${index}`)
  assert.equal(await readValue(name), `value of ${name}`)
  for (let index = 0; index < warmUps; index += 1) await readMany(read, name)
  return await measure(() => readMany(read, name), { min_cpu_time: 6e8 })
}

const { samples, p50 } = await within(measureReads)
assert.equal(calls, 51, 'a cached read called the backend')
if (events !== undefined && events.count > 0) {
  assert.equal(events.newest.cache, 'hit')
  assert.ok(events.count > warmUps * readsPerSample, 'a hit told the sink nothing')
}
answer({ p5: samples[Math.floor(samples.length * 0.05)] / readsPerSample, p50: p50 / readsPerSample })
