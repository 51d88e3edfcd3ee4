/** What is wrong with what is put and deleted, and with calls in an outage. */
import { SecretError, type SecretValue, type SecretWrite } from '../../../src/provider.js'
import type { PartChange } from '../../providers/scriptable/harness.js'
import { batching, deaf, endsQuietly, listing, notFoundIs, withTexts, type Fault, type Sound } from './fault.js'

/** Puts as `change` makes of each write. */
const putting =
  (change: (write: SecretWrite) => SecretWrite): PartChange =>
  (sound) => ({ ...sound, put: (request, write, context) => sound.put(request, change(write), context) })
/** Puts all but what holds, which is told as done. */
const swallowing =
  (holds: (write: SecretWrite) => boolean): PartChange =>
  (sound) => ({ ...sound, put: (request, write, context) => (holds(write) ? Promise.resolve({}) : sound.put(request, write, context)) })
/** Puts without one field, as if it had been honoured. */
const ignoring = (field: keyof SecretWrite): PartChange => putting(({ [field]: _, ...write }) => write as SecretWrite)
const storing = (change: (value: SecretValue) => SecretValue): PartChange => putting((write) => ({ ...write, value: change(write.value) }))

export const writes: readonly Fault[] = [
  ['put', 'stores nothing', swallowing(() => true), /fails with "not-found"/],
  ['put', 'stores the first alone', (sound) => ({ ...sound, put: firstOnly(sound) }), /not what was seeded/],
  ['put', 'normalizes the text', storing((value) => (typeof value === 'string' ? value.normalize('NFC') : value)), /not what was seeded/],
  ['put', 'trims the text', storing((value) => (typeof value === 'string' ? value.trim() : value)), /not what was seeded/],
  ['put', 'returns a version that is none', (sound) => ({ ...sound, put: async (...values) => ({ version: `${(await sound.put(...values)).version}0` }) }), /and get then another/],
  ['put', 'returns a number', (sound) => ({ ...sound, put: async (...values) => ({ version: Number((await sound.put(...values)).version) as never }) }), /not a text/],
  ['put', 'drops an empty text', swallowing(({ value }) => value === ''), /not what was seeded/],
  ['put', 'refuses an empty text as an outage', (sound) => ({ ...sound, put: refusing(sound, ({ value }) => value === '', 'unavailable') }), /"unavailable"/],
  ['put large value', 'cuts the text', storing((value) => (typeof value === 'string' ? value.slice(0, 4_096) : value)), /4096 characters/],
  ['put bytes', 'stores base64', storing((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value)), /come back/],
  ['put bytes', 'decodes what is no text', storing((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value)), /no text do not come back/],
  ['put bytes', 'fails as an outage', (sound) => ({ ...sound, put: refusing(sound, ({ value }) => value instanceof Uint8Array, 'unavailable') }), /"unavailable"/],
  ['put record', 'makes it a text', storing((value) => (isRecord(value) ? '[object Object]' : value)), /record does not come back/],
  ['put record', 'makes all fields texts', storing((value) => (isRecord(value) ? texts(value) : value)), /record does not come back/],
  ['compare and set', 'ignores ifVersion', ignoring('ifVersion'), /gave a value instead/],
  [
    'compare and set',
    'ignores null alone',
    putting(({ ifVersion, ...write }) => (ifVersion === null || ifVersion === undefined ? write : { ...write, ifVersion })),
    /null over one that is there gave a value/,
  ],
  [
    'compare and set',
    'ignores a version alone',
    putting(({ ifVersion, ...write }) => (ifVersion === null ? { ...write, ifVersion } : write)),
    /ifVersion of an older version gave a value/,
  ],
  ['compare and set', 'says denied', (sound) => ({ ...sound, put: telling(sound, 'conflict', 'denied') }), /"denied"/],
  ['compare and set', 'reads, then writes', (sound) => ({ ...sound, put: readThenWrite(sound) }), /puts at once .* were done/],
  ['compare and set', 'tells a lost race as an outage', (sound) => ({ ...sound, put: onceInAWhile(sound) }), /"unavailable"/],
  ['compare and set', 'refuses null, and overwrites all the same', (sound) => ({ ...sound, put: refusesAfterwards(sound) }), /not what was seeded/],
  ['idempotency', 'ignores the key', ignoring('idempotencyKey'), /returns another version/],
  ['idempotency', 'makes another version and returns the first', (sound) => ({ ...sound, put: forgetful(sound) }), /made another version/],
  ['idempotency', 'takes another value for the same', (sound) => ({ ...sound, put: answersByKey(sound) }), /gave a value instead of an error/],
  ['idempotency', 'says unsupported, and puts', (sound) => ({ ...sound, put: refusesAfterwards(sound, 'idempotencyKey') }), /gave a value/],
  ['write fields', 'ignores stage', ignoring('stage'), /took a stage.*fails with "not-found"/],
  ['write fields', 'ignores stage, and supports none', (sound) => ({ ...(ignoring('stage')(sound, undefined as never) as Sound), supports: {} }), /took a stage/],
  ['write fields', 'ignores expiresAt', ignoring('expiresAt'), /took expiresAt/],
  [
    'write fields',
    'takes expiresAt for seconds',
    putting(({ expiresAt, ...write }) => ({ ...write, ...(expiresAt && { expiresAt: new Date(expiresAt.getTime() * 1_000) }) })),
    /took expiresAt/,
  ],
  ['write fields', 'ignores contentType', ignoring('contentType'), /took a contentType/],
  [
    'write fields',
    'refuses contentType as invalid',
    (sound) => ({ ...sound, put: refusing(sound, ({ contentType }) => contentType !== undefined, 'invalid-config') }),
    /"invalid-config"/,
  ],
  ['write fields', 'says unsupported, and puts', (sound) => ({ ...sound, put: refusesAfterwards(sound, 'contentType') }), /not what was seeded/],
  ['delete', 'deletes nothing', (sound) => ({ ...sound, delete: async () => undefined }), /after its deletion gave a value/],
  ['delete', 'deletes all that begins so', (sound, { remove }) => ({ ...sound, delete: async ({ id }) => [id, `${id}_NOT`].forEach(remove) }), /fails with "not-found"/],
  ['delete', 'takes what is missing for an outage', notFoundIs('unavailable', 'delete'), /"unavailable"/],
  ['delete', 'empties it', (sound) => ({ ...sound, delete: async ({ id }, context) => void (await sound.put({ id }, { value: '' }, context)) }), /after its deletion gave a value/],
  ['outage of other calls', 'puts what fails', (sound, { put }) => ({ ...sound, put: putsAnyway(sound, put) }), /put in an outage gave a value/],
  ['outage of other calls', 'tells a put as done', deaf('put', {}), /a put while .* gave a value/],
  ['outage of other calls', 'tells a delete as done', deaf('delete', undefined), /a delete while .* gave a value/],
  ['outage of other calls', 'describes nothing', deaf('describe', {}), /describe while .* gave a value/],
  ['outage of other calls', 'lists nothing', listing(endsQuietly), /a list while .* gave a value/],
  ['outage of other calls', 'batches nothing', batching((sound) => ({ get: allMissing(sound) })), /a batch fails with "not-found" while/],
  [
    'no value leaks from other calls',
    'puts the value into its version',
    (sound) => ({ ...sound, put: async (_, { value }) => ({ version: JSON.stringify(value) }) }),
    /shows the value as it is/,
  ],
  ['no value leaks from other calls', 'puts the value into the fix of a conflict', (sound) => ({ ...sound, put: quotesInFix(sound) }), /shows the value/],
  ['no value leaks from other calls', 'puts the value into what failure says', (sound) => ({ ...sound, ...quotesInFailure(sound) }), /shows the value/],
  ['no value leaks from other calls', 'lists the value', listing(withTexts), /shows the value/],
]

function isRecord(value: SecretValue): value is Exclude<SecretValue, string | Uint8Array> {
  return typeof value === 'object' && !(value instanceof Uint8Array)
}

function firstOnly(sound: Sound): Sound['put'] {
  const first = new Map<string, ReturnType<Sound['put']>>()
  return (request, write, context) => {
    const put = first.get(request.id) ?? sound.put(request, write, context)
    first.set(request.id, put)
    return put
  }
}

function refusing(sound: Sound, holds: (write: SecretWrite) => boolean, code: 'unavailable' | 'invalid-config'): Sound['put'] {
  return async (request, write, context) => {
    if (holds(write)) throw new SecretError({ code })
    return sound.put(request, write, context)
  }
}

function telling(sound: Sound, wrong: 'conflict', code: 'denied'): Sound['put'] {
  return async (...values) => {
    try {
      return await sound.put(...values)
    } catch (error) {
      throw sound.failure(error)?.code === wrong ? new SecretError({ code }) : error
    }
  }
}

function refusesAfterwards(sound: Sound, field: keyof SecretWrite = 'ifVersion'): Sound['put'] {
  return async (request, write, context) => {
    if (write[field] === undefined) return sound.put(request, write, context)
    const { [field]: _, ...rest } = write
    await sound.put(request, rest as SecretWrite, context)
    throw new SecretError({ code: 'unsupported' })
  }
}

function readThenWrite(sound: Sound): Sound['put'] {
  return async (request, { ifVersion, ...write }, context) => {
    if (ifVersion !== undefined) {
      const current = await sound.get(request, context).then(
        ({ version }) => version ?? null,
        () => null,
      )
      if (current !== ifVersion) throw new SecretError({ code: 'conflict' })
    }
    return sound.put(request, write, context)
  }
}

function onceInAWhile(sound: Sound): Sound['put'] {
  let isBusy = false
  return async (...values) => {
    if (isBusy) throw new SecretError({ code: 'unavailable' })
    isBusy = true
    try {
      return await sound.put(...values)
    } finally {
      isBusy = false
    }
  }
}

function forgetful(sound: Sound): Sound['put'] {
  const versions = new Map<string, { version?: string }>()
  return async (request, { idempotencyKey = '', ...write }, context) => {
    const made = await sound.put(request, write, context)
    const first = versions.get(idempotencyKey) ?? made
    versions.set(idempotencyKey, first)
    return first
  }
}

function answersByKey(sound: Sound): Sound['put'] {
  const answers = new Map<string, ReturnType<Sound['put']>>()
  return (request, write, context) => {
    const answer = answers.get(write.idempotencyKey ?? '') ?? sound.put(request, write, context)
    answers.set(write.idempotencyKey ?? '', answer)
    return answer
  }
}

function allMissing(sound: Sound): Sound['batch']['get'] {
  return (requests, context) => sound.batch.get(requests, context).catch(() => requests.map(() => ({ ok: false as const, error: new SecretError({ code: 'not-found' }) })))
}

function putsAnyway(sound: Sound, put: (id: string, value: SecretValue) => string): Sound['put'] {
  return async (request, write, context) => {
    try {
      return await sound.put(request, write, context)
    } catch (error) {
      if (sound.failure(error)?.code === 'unavailable') put(request.id, write.value)
      throw error
    }
  }
}

function quotesInFix(sound: Sound): Sound['put'] {
  return async (request, write, context) => {
    try {
      return await sound.put(request, write, context)
    } catch {
      throw new SecretError({ code: 'conflict', fix: `There is another value than ${JSON.stringify(write.value)}` })
    }
  }
}

function quotesInFailure(sound: Sound): Pick<Sound, 'put' | 'failure'> {
  const quoted = new WeakMap<object, string>()
  return {
    put: (request, write, context) =>
      sound.put(request, write, context).catch((error: unknown) => {
        if (typeof error === 'object' && error !== null) quoted.set(error, Buffer.from(JSON.stringify(write.value)).toString('base64'))
        throw error
      }),
    failure(error) {
      const failure = sound.failure(error)
      return failure && { ...failure, fix: `It has the value ${quoted.get(error as object) ?? ''}` }
    },
  }
}

function texts(record: Exclude<SecretValue, string | Uint8Array>): SecretValue {
  return Object.fromEntries(Object.entries(record).map(([field, value]) => [field, JSON.stringify(value)]))
}
