/** Row B, one peer: 10,000 callers ask for one cold key at once, and the backend answers after 5 ms. */
import { answer, openPeer } from './peers.js'
import { median } from './statistics.js'

const callers = 10_000
const rounds = 11
let calls = 0
const { read } = await openPeer((id) => {
  calls += 1
  return new Promise((resolve) => setTimeout(() => resolve(`value of ${id}`), 5))
})

async function readTogether(read, name) {
  const pending = Array.from({ length: callers })
  for (let index = 0; index < callers; index += 1) pending[index] = read(name)
  await Promise.all(pending)
}

const times = []
for (let round = 0; round < rounds; round += 1) {
  const name = `bench/cold/${round}`
  const start = performance.now()
  await readTogether(read, name)
  times.push(performance.now() - start)
}
answer({ calls: calls / rounds, milliseconds: median(times) })
