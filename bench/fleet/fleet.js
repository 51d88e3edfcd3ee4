/** A fleet: processes with a root of their own, whose agents read. The core is the real one; what is modelled is who reads what, and when. */
import { createBackend } from './backend.js'
import { createClock } from './clock.js'
import { createRandom } from './random.js'

export const secretsPerProcess = 50
/** An agent reads its secrets together, when it runs. */
const secretsPerAgent = 5
const agents = secretsPerProcess / secretsPerAgent
/** A name that the backend does not have, where one is missing. */
const missing = secretsPerProcess - 1
const names = Array.from({ length: secretsPerProcess }, (_, index) => `service/secret-${String(index).padStart(2, '0')}`)
const numberOf = new Map(names.map((name, index) => [name, index]))
const unauthorized = Object.freeze({ status: 401 })
const notFound = Object.freeze({ code: 'not-found' })

/** How often a process runs one of its agents, and whether that is all of them at once. Milliseconds. */
export const readings = {
  calm: { every: 6_000, spread: 1, isWhole: false },
  busy: { every: 600, spread: 1, isWhole: false },
  together: { every: 60_000, spread: 0, isWhole: true },
}

/**
 * @param settings `options` are those of createSecrets. `surelyFresh`: for how long after a fetch a read is a hit whatever chance says, which costs the backend nothing;
 * such reads are left out, unless `readsAll`, to show that this changes nothing. Times in milliseconds.
 */
export function createFleet(createSecrets, settings) {
  const { processes, reading, options, surelyFresh, quotas, batchLimit, isOneMissing, startWithin, seconds, seed, readsAll } = settings
  // Near to the time at which the core was loaded: it keeps times as a distance from there.
  const clock = createClock(Date.now())
  const start = clock.now()
  const elapsed = () => clock.now() - start
  const secondOf = (time) => Math.min(Math.floor(time / 1_000), seconds - 1)
  const random = createRandom(seed)
  const backend = createBackend({ clock, quotas, seconds })
  const { every, spread, isWhole } = readings[reading]
  const entries = processes * secretsPerProcess

  const newest = new Uint8Array(secretsPerProcess).fill(1)
  const answers = [1, 2, 3].map((version) => ({ value: `value ${version}` }))
  const held = new Uint8Array(entries)
  const freshUntil = new Float64Array(entries)
  const loaded = new Uint8Array(processes)
  const readers = Object.fromEntries(['reads', 'failed', 'waited', 'slow', 'rejected'].map((kind) => [kind, new Uint32Array(seconds)]))
  const readyAt = []
  /** What has been fetched since the last rotation, and when. */
  let watch = { isMeant: () => false, seen: new Uint8Array(entries), times: [], since: 0 }

  const received = (entry, secret) => {
    const now = elapsed()
    if (held[entry] === 0 && (loaded[(entry / secretsPerProcess) | 0] += 1) === secretsPerProcess) readyAt.push(now)
    held[entry] = newest[secret]
    freshUntil[entry] = now + surelyFresh
    if (watch.seen[entry] === 0 && watch.isMeant(secret)) {
      watch.seen[entry] = 1
      watch.times.push(now)
    }
    if (isOneMissing && secret === missing) {
      freshUntil[entry] = 0
      throw notFound
    }
    return answers[newest[secret] - 1]
  }

  const open = (process) => {
    const first = process * secretsPerProcess
    const receive = ({ id }) => received(first + numberOf.get(id), numberOf.get(id))
    const provider = {
      name: 'simulated',
      get: (request) => backend.call('single', () => receive(request)),
      failure: (error) => error,
    }
    if (batchLimit !== undefined) {
      provider.batch = { limit: batchLimit, get: (requests) => backend.call('batch', () => requests.map((request) => ({ ok: true, secret: receive(request) }))) }
    }
    return createSecrets({ provider, clock, environment: 'simulation', ...options })
  }

  /** What becomes of the reads that a process makes in one turn. */
  const listeners = (begun) => {
    const count = (series) => {
      series[secondOf(begun)] += 1
    }
    return {
      succeed: () => {
        const waited = elapsed() - begun
        if (waited > 0) count(readers.waited)
        if (waited > 1_000) count(readers.slow)
      },
      fail: (error) => {
        if (error === unauthorized) count(readers.rejected)
        else if (error.code !== 'not-found') count(readers.failed)
      },
    }
  }

  const run = (secrets, process) => {
    const isReady = loaded[process] === secretsPerProcess
    const from = isReady && !isWhole ? Math.floor(random() * agents) * secretsPerAgent : 0
    const to = isReady && !isWhole ? from + secretsPerAgent : secretsPerProcess
    const now = elapsed()
    let listen
    readers.reads[secondOf(now)] += to - from
    for (let secret = from; secret < to; secret += 1) {
      const entry = process * secretsPerProcess + secret
      if (!readsAll && now < freshUntil[entry]) continue
      listen ??= listeners(now)
      const read =
        held[entry] === newest[secret] || held[entry] === 0
          ? secrets.getSecret(names[secret])
          : secrets.useSecret(names[secret], (value) => {
              if (value !== answers[newest[secret] - 1].value) throw unauthorized
            })
      read.then(listen.succeed, listen.fail)
    }
    clock.setTimer(() => run(secrets, process), every * (1 + (random() - 0.5) * spread))
  }

  for (let process = 0; process < processes; process += 1) {
    const secrets = open(process)
    // Evenly, so that few processes stand for many.
    clock.setTimer(() => run(secrets, process), ((process + random()) / processes) * startWithin)
  }

  return {
    series: { ...backend.series, ...readers },
    readyAt,
    runUntil: (milliseconds) => clock.runUntil(start + milliseconds),
    /** These get a new value, and the old one is refused by whoever takes it from now on. Returns when processes have fetched the new ones. */
    rotate(isMeant) {
      for (let secret = 0; secret < secretsPerProcess; secret += 1) if (isMeant(secret)) newest[secret] += 1
      for (let entry = 0; entry < entries; entry += 1) if (isMeant(entry % secretsPerProcess)) freshUntil[entry] = 0
      watch = { isMeant, seen: new Uint8Array(entries), times: [], since: elapsed() }
      return watch
    },
    /** Sets the backend's state. */
    fail: (state) => {
      backend.state = state
    },
  }
}
