/** What is simulated: a fleet, its backend's quotas, and the settings of its processes. */
export const minute = 60_000
/** Processes that the figures stand for, however many are simulated. */
export const fleetSize = 10_000

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

/** As published: the pages are in docs/scale.md. */
export const backends = {
  vault: { label: 'HashiCorp Vault', quotas: {} },
  aws: { label: 'AWS Secrets Manager', quotas: { single: { limit: 10_000, window: 1_000 }, batch: { limit: 100, window: 1_000 } } },
  azure: { label: 'Azure Key Vault', quotas: { single: { limit: 4_000, window: 10_000 } } },
}

/** For as many processes as are simulated. */
export function quotasOf({ backend, saysWhen = false }, scale) {
  return Object.fromEntries(
    Object.entries(backends[backend].quotas).map(([kind, { limit, window }]) => [kind, { limit: Math.max(1, Math.round(limit / scale)), window, saysWhen }]),
  )
}

const revalidating = { staleWhileRevalidate: '5m' }
const hour = { ttl: 60 * minute, cache: { ttl: '1h', staleWhileRevalidate: '1h' } }

/** `sample`: how many are simulated of the processes that the command asks for; where each is asked for more calls, fewer of them tell as much. */
export const scenarios = {
  'vault-defaults': { backend: 'vault', label: 'defaults' },
  'vault-no-jitter': { backend: 'vault', label: 'without jitter', hasJitter: false },
  'vault-revalidate': { backend: 'vault', label: '`staleWhileRevalidate` 5m', cache: revalidating },
  'vault-busy': { backend: 'vault', label: 'busy', reading: 'busy', sample: 0.5 },
  'vault-busy-no-jitter': { backend: 'vault', label: 'busy, without jitter', reading: 'busy', hasJitter: false, sample: 0.5 },
  'vault-together': { backend: 'vault', label: 'all 50 together', reading: 'together' },
  'vault-hangs': { backend: 'vault', label: 'an outage that hangs', outage: 'hangs' },
  'aws-defaults': { backend: 'aws', label: 'defaults' },
  'aws-busy': { backend: 'aws', label: 'busy', reading: 'busy', sample: 0.5 },
  'aws-busy-revalidate': { backend: 'aws', label: 'busy, `staleWhileRevalidate` 5m', reading: 'busy', cache: revalidating, sample: 0.5 },
  'aws-batch': { backend: 'aws', label: 'batches of 20', batchLimit: 20 },
  'aws-hour': { backend: 'aws', label: 'busy, `ttl` and `staleWhileRevalidate` 1h', reading: 'busy', ...hour, sample: 0.5 },
  'aws-shared': { backend: 'aws', label: 'one cache for 50 processes', sharedBy: 50, reading: 'busy' },
  'azure-defaults': { backend: 'azure', label: 'defaults', sample: 0.2 },
  'azure-says-when': { backend: 'azure', label: 'with `Retry-After`', saysWhen: true, sample: 0.1 },
  'azure-once': { backend: 'azure', label: '`retry.attempts` 1', retry: { attempts: 1 }, sample: 0.2 },
  'azure-few': { backend: 'azure', label: '4 calls at once', concurrency: 4, sample: 0.2 },
  'azure-hour': { backend: 'azure', label: '`ttl` and `staleWhileRevalidate` 1h', ...hour, sample: 0.2 },
  'azure-shared': { backend: 'azure', label: 'one cache for 50 processes', sharedBy: 50, reading: 'busy' },
}
