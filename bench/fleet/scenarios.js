/** What is simulated: a fleet, the quotas of its backend, and how its processes are set. */
export const minute = 60_000
/** Processes that the figures stand for, however many are simulated. */
export const fleetSize = 10_000
/** Processes that most scenarios simulate, where the command does not say. */
export const defaultProcesses = 300

/** Milliseconds from the first process's start. */
export const timeline = {
  steady: 10 * minute,
  rotationOfOne: 20 * minute,
  rotationOfAll: 25 * minute,
  outage: 35 * minute,
  recovery: 45 * minute,
  settled: 50 * minute,
  end: 105 * minute,
}

/** As published: docs/scale.md names the pages. */
export const backends = {
  vault: { label: 'No quota (Vault)', quotas: {} },
  aws: { label: 'AWS Secrets Manager, 10,000 a second, batches 100 a second', quotas: { single: { limit: 10_000, window: 1_000 }, batch: { limit: 100, window: 1_000 } } },
  azure: { label: 'Azure Key Vault, 4,000 in 10 seconds', quotas: { single: { limit: 4_000, window: 10_000 } } },
}

/** For as many processes as are simulated. */
export function quotasOf({ backend, saysWhen = false }, scale) {
  return Object.fromEntries(
    Object.entries(backends[backend].quotas).map(([kind, { limit, window }]) => [kind, { limit: Math.max(1, Math.round(limit / scale)), window, saysWhen }]),
  )
}

const revalidating = { staleWhileRevalidate: '5m' }
const hour = { ttl: 60 * minute, cache: { ttl: '1h', staleWhileRevalidate: '1h' } }
const shared = { label: 'one cache for 50 processes', sharedBy: 50, reading: 'busy', sample: 5 }

/**
 * `sample`: the part that is simulated of as many processes as the command asks for. Where each makes more calls, fewer of them tell as much.
 * `until`: ends then, without rotations and outage. `isStart`: tells of the start alone.
 */
export const scenarios = {
  'aws-defaults': { backend: 'aws', label: 'defaults', sample: fleetSize / defaultProcesses, until: timeline.rotationOfOne },
  'aws-batch': { backend: 'aws', label: 'batches of 20', batchLimit: 20 },
  'vault-defaults': { backend: 'vault', label: 'defaults' },
  'vault-no-jitter': { backend: 'vault', label: 'without jitter', hasJitter: false },
  'vault-busy': { backend: 'vault', label: 'busy', reading: 'busy', sample: 0.5 },
  'vault-busy-no-jitter': { backend: 'vault', label: 'busy, without jitter', reading: 'busy', hasJitter: false, sample: 0.5 },
  'vault-together': { backend: 'vault', label: 'all 50 together', reading: 'together' },
  'vault-hangs': { backend: 'vault', label: 'the outage hangs', outage: 'hangs' },
  'vault-missing': { backend: 'vault', label: 'busy, one of the 50 is not there', reading: 'busy', isOneMissing: true, sample: 0.5, until: timeline.rotationOfOne },
  'vault-shared': { backend: 'vault', ...shared },
  'aws-busy': { backend: 'aws', label: 'busy', reading: 'busy', sample: 0.5 },
  'aws-busy-no-jitter': { backend: 'aws', label: 'busy, without jitter', reading: 'busy', hasJitter: false, sample: 0.5 },
  'aws-busy-revalidate': { backend: 'aws', label: 'busy, `staleWhileRevalidate` 5m', reading: 'busy', cache: revalidating, sample: 0.5 },
  'aws-busy-hour': { backend: 'aws', label: 'busy, `ttl` and `staleWhileRevalidate` 1h', reading: 'busy', ...hour, sample: 0.5 },
  'aws-shared': { backend: 'aws', ...shared },
  'azure-defaults': { backend: 'azure', label: 'defaults', sample: 0.5 },
  'azure-no-jitter': { backend: 'azure', label: 'without jitter', hasJitter: false, sample: 0.5 },
  'azure-revalidate': { backend: 'azure', label: '`staleWhileRevalidate` 5m', cache: revalidating, sample: 0.5 },
  'azure-once': { backend: 'azure', label: '`retry.attempts` 1', retry: { attempts: 1 }, sample: 0.5, until: timeline.rotationOfOne },
  'azure-says-when': { backend: 'azure', label: 'were there a `Retry-After`', saysWhen: true, sample: 0.5, until: timeline.rotationOfOne },
  'azure-hour': { backend: 'azure', label: '`ttl` and `staleWhileRevalidate` 1h', ...hour, sample: 0.5 },
  'azure-shared': { backend: 'azure', ...shared },
  'aws-start-10s': { backend: 'aws', isStart: true, startWithin: 10_000, until: 5 * minute },
  'aws-start-5m': { backend: 'aws', isStart: true, startWithin: 5 * minute, until: 10 * minute },
  'azure-start-30m': { backend: 'azure', isStart: true, startWithin: 30 * minute, until: 40 * minute, ...hour },
}
