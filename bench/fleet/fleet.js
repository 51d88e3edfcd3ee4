/** A fleet: processes with a root of their own, whose agents read. The core is the real one; what is modelled is who reads what, and when. */
import { createBackend } from './backend.js'
import { createClock } from './clock.js'
import { createRandom } from './random.js'

export const secretsPerProcess = 50
/** An agent reads its secrets together, when it runs. */
const secretsPerAgent = 5
const agents = secretsPerProcess / secretsPerAgent
/** Of its `ttl` a value is fresh for at least this much: a tenth less by chance, and the core's sweep may be a hundredth early. */
const surelyFresh = 0.89
const names = Array.from({ length: secretsPerProcess }, (_, index) => `service/secret-${String(index).padStart(2, '0')}`)
const numberOf = new Map(names.map((name, index) => [name, index]))
const unauthorized = Object.freeze({ status: 401 })

/** How often a process runs one of its agents, and whether that is all of them at once. Milliseconds. */
export const readings = {
  calm: { every: 6_000, spread: 1, isWhole: false },
  busy: { every: 600, spread: 1, isWhole: false },
  together: { every: 60_000, spread: 0, isWhole: true },
}

/**
 * @param settings `processes`, `reading`, `cache` (of createSecrets), `ttl` in milliseconds, `quotas`, `batchLimit`, `startWithin`, `seconds`, `seed`; `readsAll` reads
 * also what is a hit for sure, to show that leaving these out changes nothing.
 */
export function createFleet(createSecrets, settings) {
  const { processes, reading, cache, ttl, quotas, batchLimit, concurrency, retry, startWithin, seconds, seed, readsAll } = settings
  // Near to the time at which the core was loaded: it keeps times as a distance from there.
  const clock = createClock(Date.now())
  const start = clock.now()
  const elapsed = () => clock.now() - start
  const random = createRandom(seed)
  const backend = createBackend({ clock, quotas, seconds })
  const { every, spread, isWhole } = readings[reading]
  const entries = processes * secretsPerProcess

  const newest = new Uint8Array(secretsPerProcess).fill(1)
  const answers = [1, 2, 3].map((version) => ({ value: `value ${version}` }))
  const held = new Uint8Array(entries)
  /** Until when a read is a hit for sure, which costs the backend nothing: such reads are left out. */
  const freshUntil = new Float64Array(entries)
  const loaded = new Uint8Array(processes)
  const readers = { reads: new Uint32Array(seconds), failed: new Uint32Array(seconds), slow: new Uint32Array(seconds), rejected: new Uint32Array(seconds) }
  const readyAt = []
  /** Entries that were fetched since something happened, and when how many were. */
  const watch = { since: 0, isMeant: () => false, seen: new Uint8Array(entries), times: [] }

  const received = (entry, secret) => {
    const now = elapsed()
    if (held[entry] === 0 && (loaded[(entry / secretsPerProcess) | 0] += 1) === secretsPerProcess) readyAt.push(now)
    held[entry] = newest[secret]
    freshUntil[entry] = now + ttl * surelyFresh
    if (watch.seen[entry] === 0 && watch.isMeant(secret)) {
      watch.seen[entry] = 1
      watch.times.push(now)
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
      ...(concurrency === undefined ? {} : { concurrency }),
    }
    if (batchLimit !== undefined) {
      provider.batch = { limit: batchLimit, get: (requests) => backend.call('batch', () => requests.map((request) => ({ ok: true, secret: receive(request) }))) }
    }
    return createSecrets({ provider, clock, environment: 'simulation', ...(cache === undefined ? {} : { cache }), ...(retry === undefined ? {} : { retry }) })
  }

  /** What becomes of the reads that a process makes in one turn. */
  const listeners = () => {
    const begun = elapsed()
    const count = (series) => {
      series[Math.min(Math.floor(begun / 1_000), seconds - 1)] += 1
    }
    return {
      begin: () => count(readers.reads),
      succeed: () => {
        if (elapsed() - begun > 1_000) count(readers.slow)
      },
      fail: (error) => count(error === unauthorized ? readers.rejected : readers.failed),
    }
  }

  const run = (secrets, process) => {
    const isReady = loaded[process] === secretsPerProcess
    const from = isReady && !isWhole ? Math.floor(random() * agents) * secretsPerAgent : 0
    const to = isReady && !isWhole ? from + secretsPerAgent : secretsPerProcess
    const now = elapsed()
    let listen
    for (let secret = from; secret < to; secret += 1) {
      const entry = process * secretsPerProcess + secret
      if (!readsAll && now < freshUntil[entry]) continue
      listen ??= listeners()
      listen.begin()
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

  const see = (isMeant) => {
    const seen = { at: elapsed(), times: [] }
    watch.seen.fill(0)
    watch.isMeant = isMeant
    watch.times = seen.times
    return seen
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
    /** These get a new value, and the old one is refused by whoever takes it from now on. Returns the times at which processes have the new ones. */
    rotate(isMeant) {
      for (let secret = 0; secret < secretsPerProcess; secret += 1) if (isMeant(secret)) newest[secret] += 1
      for (let entry = 0; entry < entries; entry += 1) if (isMeant(entry % secretsPerProcess)) freshUntil[entry] = 0
      return see(isMeant)
    },
    fail: (state) => {
      backend.state = state
    },
    /** Returns the times at which processes have fetched each secret anew. */
    recover() {
      backend.state = 'up'
      return see(() => true)
    },
  }
}
