/** What is wrong with one optional part. */
import { SecretError, type Lease, type RequestOutcome, type SecretProvider } from '../../../src/provider.js'
import { textOf } from '../../../src/testing/expect.js'
import type { PartChange } from '../../providers/scriptable/harness.js'
import { batching, deaf, endsQuietly, listing, notFoundIs, withTexts, type Fault, type Sound } from './fault.js'

type Narrowed = NonNullable<ReturnType<Sound['narrow']>>
/** Answers a batch as `change` makes of its outcomes. */
const outcomes = (change: (given: readonly RequestOutcome[]) => readonly RequestOutcome[]): PartChange =>
  batching((sound) => ({ get: async (requests, context) => change(await sound.batch.get(requests, context)) }))
const narrowing =
  (change: (result: Narrowed, sound: Sound) => unknown): PartChange =>
  (sound) => ({
    ...sound,
    narrow: (grant) => {
      const result = sound.narrow(grant)
      return result && (change(result, sound) as Narrowed)
    },
  })
/** The provider that a grant gives, changed. */
const narrowed = (change: (provider: SecretProvider, sound: Sound) => SecretProvider): PartChange =>
  narrowing(({ provider, enforcement }, sound) => ({ provider: change(provider, sound), enforcement }))
const granting =
  (change: (grant: Parameters<Sound['narrow']>[0]) => Parameters<Sound['narrow']>[0]): PartChange =>
  (sound) => ({ ...sound, narrow: (grant) => sound.narrow(change(grant)) })
const leasing =
  (change: (lease: Lease) => unknown): PartChange =>
  (sound) => ({
    ...sound,
    async get(request, context) {
      const { lease, ...version } = await sound.get(request, context)
      return lease === undefined ? version : { ...version, lease: change(lease) as Lease }
    },
  })
const describing =
  (change: (described: Awaited<ReturnType<Sound['describe']>>) => object): PartChange =>
  (sound) => ({ ...sound, describe: async (request, context) => change(await sound.describe(request, context)) })

const never = new Promise<never>(() => undefined)

export const parts: readonly Fault[] = [
  ['list', 'yields the value as well', listing(withValues), /yields the value/],
  ['list', 'yields the value under another name', listing(withTexts), /shows the value/],
  ['list', 'ignores the prefix', listing((sound, _, context) => sound.list('', context)), /does not begin with the prefix/],
  ['list', 'ends with the first page', listing((sound, prefix, context) => firstPage(sound.list(prefix, context))), /last page/],
  ['list', 'yields a page twice', listing(twice), /2 times/],
  ['list', 'yields ids without their beginning', listing(shortened), /does not begin with the prefix/],
  ['list', 'keeps what is removed', (sound) => ({ ...sound, list: keepsIds(sound) }), /removed|prefix/],
  ['list', 'yields texts', listing(idsAlone), /no id/],
  ['list abort', 'ignores its signal', listing((sound, prefix) => sound.list(prefix, { signal: new AbortController().signal, timeout: 1_000 })), /aborted before it begins yields/],
  ['list abort', 'hangs with a backend that hangs', listing(hangsWithBackend), /did not end/],
  ['list abort', 'ends as if there were none', listing(endsQuietly), /as if there were no secrets/],
  ['describe', 'returns the value as well', (sound) => ({ ...sound, describe: (...values) => sound.get(...values) }), /describe returned the value/],
  ['describe', 'returns the value under another name', (sound) => ({ ...sound, describe: describesWithText(sound) }), /shows the value/],
  ['describe', 'says no version', describing(({ version: _, ...rest }) => rest), /describe says version/],
  ['describe', 'ignores the version', (sound) => ({ ...sound, describe: ({ id }, context) => sound.describe({ id }, context) }), /describe says version/],
  ['describe', 'says another time', describing((described) => ({ ...described, createdAt: new Date(0) })), /another createdAt/],
  ['describe', 'says a number for a time', describing((described) => ({ ...described, createdAt: 5 })), /no valid Date/],
  ['describe', 'describes what is missing', (sound) => ({ ...sound, describe: (...values) => sound.describe(...values).catch(() => ({})) }), /gave a value instead/],
  ['describe', 'takes what is missing for denied', notFoundIs('denied', 'describe'), /"denied" instead of "not-found"/],
  ['batch', 'has no limit', batching(() => ({ limit: 0 })), /batch\.limit/],
  ['batch', 'answers in another order', outcomes((given) => [...given].reverse()), /"not-found"|not what was seeded|a value/],
  ['batch', 'leaves out the missing', outcomes((given) => given.filter(({ ok }) => ok)), /same length/],
  ['batch', 'fails at one that is missing', batching((sound) => ({ get: allOrNothing(sound) })), /canary|free text/],
  ['batch', 'answers what is missing with an empty text', outcomes((given) => given.map((outcome) => (outcome.ok ? outcome : { ok: true, secret: { value: '' } }))), /a value/],
  ['batch', 'leaves out duplicates', batching((sound) => ({ get: withoutDuplicates(sound) })), /same length/],
  ['batch', 'says no version', outcomes((given) => given.map((outcome) => (outcome.ok ? { ok: true, secret: { value: outcome.secret.value } } : outcome))), /where get says/],
  [
    'batch',
    'takes versions and ignores them',
    batching((sound) => ({
      get: (requests, context) =>
        sound.batch.get(
          requests.map(({ id }) => ({ id })),
          context,
        ),
    })),
    /not what was seeded/,
  ],
  ['batch', 'takes stages and ignores them', batching((sound) => ({ accepts: () => true, get: withoutStages(sound) })), /stage that there is not/],
  ['batch', 'says denied of all but the denied', batching((sound) => ({ get: refusesTheRest(sound) })), /another in its batch|instead of "denied"/],
  ['batch', 'returns outcomes without ok', outcomes((given) => given.map(({ ok: _, ...outcome }) => outcome as never)), /without `ok`/],
  ['narrow', 'is a promise', narrowing((result) => Promise.resolve(result)), /synchronous/],
  ['narrow', 'says no enforcement', narrowing(({ provider }) => ({ provider })), /synchronous/],
  ['narrow', 'gives the broad provider as narrowed', narrowed((_, sound) => ({ ...sound, close: async () => undefined })), /gave a value instead/],
  ['narrow', 'ignores deny', granting((grant) => ({ ...grant, deny: [] })), /that `deny` of the grant names.* gave a value/],
  ['narrow', 'grants what begins with a granted id', granting((grant) => ({ ...grant, allow: grant.allow.map((id) => (id.endsWith('*') ? id : `${id}*`)) })), /only begins with/],
  ['narrow', 'takes a prefix for an id', granting((grant) => ({ ...grant, allow: grant.allow.filter((id) => !id.endsWith('*')) })), /granted by its prefix fails/],
  ['narrow', 'refuses all', granting((grant) => ({ ...grant, allow: [] })), /granted by its id fails with "denied"/],
  [
    'narrow',
    'says not-found of what it refuses',
    narrowed((provider) => ({ ...provider, failure: (error) => hidden(provider.failure(error)) })),
    /"not-found" instead of "denied"/,
  ],
  ['narrow', 'refuses one by one alone', narrowed((provider, sound) => ({ ...provider, batch: sound.batch })), /a batch of a narrowed provider answers/],
  ['narrow', 'closes the broad provider too', narrowed((provider, sound) => ({ ...provider, close: () => sound.close() })), /gave a value|broad provider/],
  ['narrow', 'reads on when it is closed', narrowed((provider) => ({ ...provider, close: async () => undefined })), /is closed gave a value/],
  ['narrow', 'fails to close twice', narrowed((provider) => ({ ...provider, close: failsTwice() })), /second close/],
  ['narrow', 'ends all identities with one', (sound) => ({ ...sound, narrow: sharedEnd(sound) }), /another agent/],
  ['narrow expiry', 'ignores expiresAt', granting(({ expiresAt: _, ...grant }) => grant), /reads on 5 s after `expiresAt`/],
  [
    'narrow expiry',
    'takes expiresAt for seconds',
    granting((grant) => ({ ...grant, expiresAt: (grant.expiresAt ?? 0) / 1_000 })),
    /before `expiresAt` of its grant, fails with "unauthenticated"/,
  ],
  [
    'narrow expiry',
    'says not-found of what has expired',
    narrowed((provider) => ({ ...provider, failure: (error) => expiredIsMissing(provider.failure(error)) })),
    /"not-found" instead of "unauthenticated"/,
  ],
  ['narrow expiry', 'logs in anew when it has expired', (sound) => ({ ...sound, narrow: logsInAnew(sound) }), /reads on 5 s after/],
  [
    'narrow expiry',
    'cannot close what has expired',
    narrowed((provider) => ({ ...provider, close: async () => provider.check?.({ signal: new AbortController().signal, timeout: 1_000 }) })),
    /whose grant has expired failed/,
  ],
  ['lease', 'is dropped', leasing(() => undefined), /without a lease for the secret of seedLeased/],
  ['lease', 'says a number', leasing((lease) => ({ ...lease, duration: 60 })), /duration that is none/],
  ['lease', 'says no time', leasing((lease) => ({ ...lease, duration: '0s' })), /duration that is none/],
  ['lease', 'has no id', leasing((lease) => ({ ...lease, id: '' })), /id that is no text/],
  ['lease', 'does not say whether it is renewable', leasing(({ renewable: _, ...lease }) => lease), /renewable/],
  ['lease', 'cannot be renewed although it says so', ({ renew: _, ...sound }) => sound, /no renew/],
  ['lease', 'is not renewed', (sound) => ({ ...sound, renew: () => Promise.reject(new SecretError({ code: 'unsupported' })) }), /renew of a lease that is renewable fails/],
  ['lease', 'is renewed to none', (sound) => ({ ...sound, renew: async (lease) => ({ ...lease, duration: '0s' }) }), /lease of renew has a duration/],
  ['lease', 'is renewed after it was revoked', (sound) => ({ ...sound, renew: async (lease) => lease }), /revoked gave a value/],
  ['lease', 'is not revoked', (sound) => ({ ...sound, revoke: async () => undefined }), /revoked gave a value/],
  ['lease', 'cannot be revoked twice', (sound) => ({ ...sound, revoke: revokesOnce(sound) }), /not there|closed already/],
  ['lease', 'ends with any other', (sound) => ({ ...sound, ...endsAll(sound) }), /ended another/],
  ['lease', 'is there the first time alone', (sound) => ({ ...sound, get: leasesOnce(sound) }), /without one the second/],
  ['watch', 'tells nothing', (sound) => ({ ...sound, watch: () => () => undefined }), /tells nothing/],
  ['watch', 'tells of another', (sound) => ({ ...sound, watch: (changed) => sound.watch((id) => changed(`${id}0`)) }), /of another secret/],
  ['watch', 'tells the first change alone', (sound) => ({ ...sound, watch: tellsOnce(sound) }), /tells nothing of a put/],
  ['watch', 'cannot be ended', (sound) => ({ ...sound, watch: (changed) => void sound.watch(changed) as never }), /no function/],
  ['watch', 'tells on after it was ended', (sound) => ({ ...sound, watch: tellsOn(sound) }), /after it was ended/],
  ['check', 'always fails', (sound) => ({ ...sound, check: () => Promise.reject(new SecretError({ code: 'denied' })) }), /healthy backend fails/],
  ['check', 'never fails', deaf('check', undefined), /gave a value instead/],
  ['check', 'fails with what is unknown', (sound) => ({ ...sound, check: (context) => sound.check(context).catch(() => Promise.reject(new Error('out'))) }), /does not know/],
]

function keepsIds(sound: Sound): Sound['list'] {
  const kept = new Map<string, { id: string }>()
  return async function* list(prefix, context) {
    for await (const item of sound.list(prefix, context)) kept.set(item.id, item)
    for (const item of kept.values()) if (item.id.startsWith(prefix)) yield item
  }
}

async function* hangsWithBackend(sound: Sound, prefix: string, context: Parameters<Sound['list']>[1]): ReturnType<Sound['list']> {
  context.signal.throwIfAborted()
  try {
    for await (const item of sound.list(prefix, context)) {
      context.signal.throwIfAborted()
      yield item
    }
  } catch {
    await never
  }
}

function describesWithText(sound: Sound): Sound['describe'] {
  return async (request, context) => ({ ...(await sound.describe(request, context)), contentType: textOf((await sound.get(request, context)).value, 'the value') })
}

function allOrNothing(sound: Sound): Sound['batch']['get'] {
  return (requests, context) => Promise.all(requests.map(async (request) => ({ ok: true as const, secret: await sound.get(request, context) })))
}

function withoutDuplicates(sound: Sound): Sound['batch']['get'] {
  return (requests, context) =>
    sound.batch.get(
      requests.filter(({ id, version }, index) => requests.findIndex((other) => other.id === id && other.version === version) === index),
      context,
    )
}

function withoutStages(sound: Sound): Sound['batch']['get'] {
  return (requests, context) =>
    sound.batch.get(
      requests.map(({ stage: _, ...request }) => request),
      context,
    )
}

function refusesTheRest(sound: Sound): Sound['batch']['get'] {
  return async (requests, context) => {
    const given = await sound.batch.get(requests, context)
    const isRefused = given.some((outcome) => !outcome.ok && sound.failure(outcome.error)?.code === 'denied')
    return isRefused ? given.map(() => ({ ok: false as const, error: new SecretError({ code: 'denied' }) })) : given
  }
}

function hidden(failure: ReturnType<Sound['failure']>): ReturnType<Sound['failure']> {
  return failure?.code === 'denied' ? { code: 'not-found' } : failure
}

function expiredIsMissing(failure: ReturnType<Sound['failure']>): ReturnType<Sound['failure']> {
  return failure?.code === 'unauthenticated' ? { code: 'not-found' } : failure
}

function logsInAnew(sound: Sound): Sound['narrow'] {
  return ({ expiresAt, ...grant }) => {
    const result = sound.narrow({ ...grant, ...(expiresAt === undefined ? {} : { expiresAt }) })
    const get: Sound['get'] = (...values) => result!.provider.get(...values).catch(() => sound.narrow(grant)!.provider.get(...values))
    return result && { ...result, provider: { ...result.provider, get } }
  }
}

function failsTwice(): () => Promise<void> {
  let isClosed = false
  return async () => {
    if (isClosed) throw new Error('closed already')
    isClosed = true
  }
}

function sharedEnd(sound: Sound): Sound['narrow'] {
  const all: SecretProvider[] = []
  return (grant) => {
    const result = sound.narrow(grant)
    if (result === undefined) return undefined
    all.push(result.provider)
    return { ...result, provider: { ...result.provider, close: async () => void (await Promise.all(all.map(async (provider) => provider.close?.()))) } }
  }
}

function revokesOnce(sound: Sound): Sound['revoke'] {
  const ended = new Set<string>()
  return async (lease, context) => {
    if (ended.has(lease.id)) throw new Error('the lease is not there')
    ended.add(lease.id)
    return sound.revoke(lease, context)
  }
}

function endsAll(sound: Sound): Pick<Sound, 'get' | 'revoke'> {
  const made: Lease[] = []
  return {
    async get(request, context) {
      const version = await sound.get(request, context)
      if (version.lease !== undefined) made.push(version.lease)
      return version
    },
    revoke: async (_, context) => void (await Promise.all(made.map((lease) => sound.revoke(lease, context)))),
  }
}

function leasesOnce(sound: Sound): Sound['get'] {
  let isFirst = true
  return async (request, context) => {
    const { lease, ...version } = await sound.get(request, context)
    const answer = isFirst && lease !== undefined ? { ...version, lease } : version
    isFirst = false
    return answer
  }
}

function tellsOnce(sound: Sound): Sound['watch'] {
  return (changed) => {
    const stop = sound.watch((id) => {
      stop()
      changed(id)
    })
    return stop
  }
}

function tellsOn(sound: Sound): Sound['watch'] {
  return (changed) => {
    sound.watch(changed)
    return () => undefined
  }
}

async function* withValues(sound: Sound, ...values: Parameters<Sound['list']>): ReturnType<Sound['list']> {
  for await (const item of sound.list(...values)) yield { ...item, value: (await sound.get(item, values[1])).value } as typeof item
}

async function* firstPage(items: ReturnType<Sound['list']>): ReturnType<Sound['list']> {
  let count = 0
  for await (const item of items) {
    if (++count > 20) return
    yield item
  }
}

async function* twice(sound: Sound, ...values: Parameters<Sound['list']>): ReturnType<Sound['list']> {
  yield* sound.list(...values)
  yield* sound.list(...values)
}

async function* shortened(sound: Sound, prefix: string, context: Parameters<Sound['list']>[1]): ReturnType<Sound['list']> {
  for await (const item of sound.list(prefix, context)) yield { ...item, id: item.id.slice(prefix.length) }
}

async function* idsAlone(sound: Sound, ...values: Parameters<Sound['list']>): ReturnType<Sound['list']> {
  for await (const { id } of sound.list(...values)) yield id as never
}
