import { describe, expect, it } from 'vitest'
import { SecretError, type SecretProvider, type SecretVersion } from '../../src/provider.js'
import { conformanceCases, type ConformanceHarness } from '../../src/testing/index.js'
import { textOf } from '../../src/testing/expect.js'
import { scriptableHarness } from '../providers/scriptable/harness.js'
import { parts } from './faults/parts.js'
import { writes } from './faults/writes.js'
import { BackendError, referenceHarness, turn, type Change } from './reference-provider.js'

/** Cases of what the reference provider does not have, and why they do not apply. */
const absent: Readonly<Record<string, string>> = {
  batch: 'the provider has no `batch`',
  'list abort': 'the provider has no `list`',
  watch: 'the provider has no `watch`',
  lease: 'get answers without a lease',
  'narrow expiry': 'the provider has no `narrow`',
  'outage of other calls': 'the provider has no call beside `get`',
}

describe('a sound provider', () => {
  for (const conformanceCase of conformanceCases(() => referenceHarness())) {
    it(conformanceCase.name, async () => {
      await conformanceCase.run()
      expect(conformanceCase.skip).toBe(absent[conformanceCase.name])
    })
  }
})

describe('a sound provider that is a factory, with fields, stages and batches', () => {
  const change: Change = (sound) => ({
    ...sound,
    supports: { stage: true },
    locate: (name) => ({ id: `document/${name}`, field: 'content' }),
    batch: {
      limit: 2,
      get: (requests, context) =>
        Promise.all(
          requests.map(async (request) => {
            try {
              return { ok: true as const, secret: await sound.get(request, context) }
            } catch (error) {
              return { ok: false as const, error }
            }
          }),
        ),
    },
  })
  const skips = { field: 'each name is a field already' }
  const { batch: _batch, 'outage of other calls': _outage, ...rest } = absent
  const expected: Readonly<Record<string, string>> = { ...rest, ...skips }
  const createHarness = async (): Promise<ConformanceHarness> => {
    const harness = await referenceHarness(change)
    return { ...harness, skips, provider: async () => async () => (await harness.provider()) as SecretProvider }
  }
  for (const conformanceCase of conformanceCases(createHarness)) {
    it(conformanceCase.name, async () => {
      await conformanceCase.run()
      expect(conformanceCase.skip).toBe(expected[conformanceCase.name])
    })
  }
})

/** The provider answers as `change` makes of each answer. */
const answering =
  (change: (version: Omit<SecretVersion, 'value'> & { value: string }) => SecretVersion): Change =>
  (sound) => ({
    ...sound,
    async get(request, context) {
      const version = await sound.get(request, context)
      return change({ ...version, value: textOf(version.value, 'the value') })
    },
  })

/** The backend's answer of `status` is told as something else. */
const telling =
  (status: number, failure: ReturnType<SecretProvider['failure']>): Change =>
  (sound) => ({
    ...sound,
    failure: (error) => (isBackendError(error, status) ? failure : sound.failure(error)),
  })

function isBackendError(error: unknown, status: number): boolean {
  try {
    return error instanceof BackendError && error.status === status
  } catch {
    return false
  }
}

const faults: readonly (readonly [caseName: string, fault: string, change: Change, says: RegExp])[] = [
  ['found', 'ends each value with a line', answering((version) => ({ ...version, value: `${version.value}\n` })), /not what was seeded/],
  ['found', 'returns a number as the version', answering((version) => ({ ...version, version: 1 as never })), /version/],
  ['found', 'describes with the value', (sound) => ({ ...sound, describe: (request, context) => sound.get(request, context) }), /describe returned/],
  ['found', 'fails its check', (sound) => ({ ...sound, check: () => Promise.reject(new BackendError(403)) }), /status 403/],
  ['empty string', 'takes an empty value for a missing one', (sound) => ({ ...sound, get: emptyIsMissing(sound) }), /empty value/],
  ['missing', 'answers with an empty value', (sound) => ({ ...sound, get: missingIsEmpty(sound) }), /gave a value/],
  ['missing', 'gives a reason', telling(404, { code: 'not-found', reason: 'deleted' }), /reason "deleted"/],
  ['missing', 'says denied', telling(404, { code: 'denied' }), /"denied"/],
  ['several at once', 'leaves the missing out of a batch', (sound) => ({ ...sound, batch: shortBatch(sound) }), /several|batch|missing/],
  ['denied', 'says not-found', telling(403, { code: 'not-found' }), /"not-found"/],
  ['throttled', 'does not know it', telling(429, undefined), /throttled|failure\(\)/],
  ['retry after', 'drops it', telling(429, { code: 'throttled' }), /retryAfter/],
  ['retry after', 'gives a bare number', telling(429, { code: 'throttled', retryAfter: '2' as never }), /retryAfter/],
  ['unavailable', 'does not know it', telling(503, undefined), /failure\(\) does not know/],
  ['unauthenticated', 'says denied', telling(401, { code: 'denied' }), /"denied"/],
  ['timeout', 'gives up with an empty value', (sound) => ({ ...sound, get: givesUp(sound, 50) }), /gave a value/],
  ['abort', 'gives up a call with the value of none', (sound) => ({ ...sound, get: givesUp(sound, 0) }), /not what was seeded|gave a value/],
  ['version', 'always returns the newest', (sound) => ({ ...sound, get: ({ id }, context) => sound.get({ id }, context) }), /old version/],
  ['version', 'does not name it', answering(({ value }) => ({ value })), /which one/],
  ['version', 'names each the same', answering((version) => ({ ...version, version: '1' })), /same version/],
  ['stage', 'claims stages and names none', (sound) => answering(({ value }) => ({ value }))({ ...sound, supports: { stage: true } }, undefined as never), /those/],
  [
    'stage',
    'claims stages and ignores them',
    (sound) => ({ ...sound, supports: { stage: true }, get: ({ id }, context) => sound.get({ id }, context) }),
    /stage that there is not/,
  ],
  ['stage', 'claims stages and finds none', (sound) => ({ ...sound, supports: { stage: true }, get: stageIsMissing(sound) }), /status 404|not found/],
  [
    'field',
    'makes a record of its own of a JSON text',
    answering((version) => (version.value.startsWith('{') ? { ...version, value: { json: version.value } } : version)),
    /not found/,
  ],
  ['unicode', 'normalizes the text', answering((version) => ({ ...version, value: version.value.normalize('NFC') })), /not what was seeded/],
  ['unicode', 'trims the text', answering((version) => ({ ...version, value: version.value.trim() })), /not what was seeded/],
  ['large value', 'cuts the text', answering((version) => ({ ...version, value: version.value.slice(0, 4_096) })), /4096 characters/],
  ['names', 'decodes the id', (sound) => ({ ...sound, get: (request, context) => sound.get({ id: decodeURIComponent(request.id) }, context) }), /kit|keyward/],
  ['names', 'refuses a name with a plain Error', (sound) => ({ ...sound, locate: refusesColons(() => new Error('no colons')) }), /instead of a SecretError "unsupported"/],
  [
    'names',
    'refuses a name as not found',
    (sound) => ({ ...sound, locate: refusesColons(() => new SecretError({ code: 'not-found' })) }),
    /instead of a SecretError "unsupported"/,
  ],
  ['rotation', 'keeps what it has read', (sound) => ({ ...sound, get: keeps(sound) }), /after the rotation/],
  ['removal', 'keeps what it has read', (sound) => ({ ...sound, get: keeps(sound) }), /gave a value/],
  ['concurrent reads', 'mixes up calls', (sound) => ({ ...sound, get: mixesUp(sound) }), /1,000 reads/],
  ['close', 'fails the second time', (sound) => ({ ...sound, close: failsTwice() }), /second close/],
  ['unknown errors', 'takes all for an outage', (sound) => ({ ...sound, failure: () => ({ code: 'unavailable' }) }), /claims to know/],
  [
    'unknown errors',
    'reads messages',
    (sound) => ({ ...sound, failure: (error) => (String(Object(error).message).includes('denied') ? { code: 'denied' } : sound.failure(error)) }),
    /claims to know|throws/,
  ],
  [
    'unknown errors',
    'throws at what is no object',
    (sound) => ({ ...sound, failure: (error) => ((error as Error).name === 'Denied' ? { code: 'denied' } : undefined) }),
    /throws at undefined/,
  ],
  ['no value leaks', 'puts the value into its version', answering((version) => ({ ...version, version: version.value.slice(0, 32) })), /shows the value as it is/],
  ['no value leaks', 'puts the value into a fix, in base64', (sound) => ({ ...sound, get: leaksInFix(sound) }), /shows the value in base64/],
]

describe('a provider that is wrong in one way', () => {
  it.each(faults)('%s: %s', async (caseName, _fault, change, says) => {
    await expect(runCase(caseName, () => referenceHarness(change))).rejects.toThrow(says)
  })

  it.concurrent.each([...writes, ...parts].map((fault) => [fault[0], fault[1], fault] as const))(
    '%s: %s',
    async (caseName, _fault, [, , change, says]) => {
      await expect(runCase(caseName, async () => scriptableHarness({}, change))).rejects.toThrow(says)
    },
    30_000,
  )

  it('is tried in every case', () => {
    const tried = new Set([...faults, ...writes, ...parts].map(([caseName]) => caseName))
    const names = conformanceCases(() => referenceHarness()).map(({ name }) => name)
    expect(names.filter((name) => !tried.has(name))).toEqual([])
  })
})

describe('what a harness cannot do', () => {
  const without = (method: 'rotate' | 'remove' | 'deny' | 'fail', skips?: Readonly<Record<string, string>>) => async (): Promise<ConformanceHarness> => {
    const { [method]: _, ...harness } = await referenceHarness()
    return { ...harness, ...(skips === undefined ? {} : { skips }) }
  }

  it.each([
    ['rotate', 'rotation'],
    ['rotate', 'version'],
    ['remove', 'removal'],
    ['deny', 'denied'],
    ['fail', 'throttled'],
    ['fail', 'retry after'],
    ['fail', 'unavailable'],
    ['fail', 'timeout'],
    ['fail', 'unauthenticated'],
  ] as const)('without %s the case "%s" fails, unless skips says why', async (method, caseName) => {
    await expect(runCase(caseName, without(method))).rejects.toThrow(`the harness has no ${method}(): give it one, or say in skips['${caseName}']`)
    await expect(runCase(caseName, without(method, { [caseName]: 'this backend never does' }))).resolves.toBe('this backend never does')
  })

  it('without seedLeased the case "lease" fails where the provider has renew or revoke and no lease is seen', async () => {
    const lending = (skips?: Readonly<Record<string, string>>) => async (): Promise<ConformanceHarness> => {
      const { seedLeased: _, ...harness } = scriptableHarness()
      return { ...harness, ...(skips === undefined ? {} : { skips }) }
    }
    await expect(runCase('lease', lending())).rejects.toThrow(`give the harness seedLeased(), or say in skips['lease']`)
    await expect(runCase('lease', lending({ lease: 'this backend never does' }))).resolves.toBe('this backend never does')
    const revoking = async (): Promise<ConformanceHarness> => referenceHarness((sound) => ({ ...sound, revoke: async () => undefined }))
    await expect(runCase('lease', revoking)).rejects.toThrow('seedLeased()')
    const { seedLeased: _, ...leasesAll } = scriptableHarness({ leasePrefix: '' })
    await expect(runCase('lease', async () => leasesAll)).resolves.toBe(undefined)
  })

  it('refuses an empty reason and a name that is no case, in every case', async () => {
    await expect(runCase('found', without('deny', { denied: ' ' }))).rejects.toThrow(`skips['denied'] of the harness gives no reason`)
    await expect(runCase('found', without('deny', { refused: 'no access control' }))).rejects.toThrow(`skips['refused'] of the harness names no case`)
  })

  it('closes the harness and the provider, however the case ends', async () => {
    const closed: string[] = []
    const createHarness = async (): Promise<ConformanceHarness> => ({
      ...(await referenceHarness((sound) => ({ ...sound, get: () => Promise.reject(new BackendError(503)), close: async () => void closed.push('provider') }))),
      close: async () => void closed.push('harness'),
    })
    await expect(runCase('found', createHarness)).rejects.toThrow()
    expect(closed).toEqual(['provider', 'harness'])
  })
})

async function runCase(name: string, createHarness: () => Promise<ConformanceHarness>): Promise<string | undefined> {
  const conformanceCase = conformanceCases(createHarness).find((candidate) => candidate.name === name)
  if (conformanceCase === undefined) throw new Error(`there is no case "${name}"`)
  await conformanceCase.run()
  return conformanceCase.skip
}

function emptyIsMissing(sound: SecretProvider): SecretProvider['get'] {
  return async (request, context) => {
    const version = await sound.get(request, context)
    if (version.value === '') throw new BackendError(404)
    return version
  }
}

function missingIsEmpty(sound: SecretProvider): SecretProvider['get'] {
  return async (request, context) => {
    try {
      return await sound.get(request, context)
    } catch (error) {
      if (isBackendError(error, 404)) return { value: '' }
      throw error
    }
  }
}

function shortBatch(sound: SecretProvider): NonNullable<SecretProvider['batch']> {
  return {
    limit: 10,
    async get(requests, context) {
      const settled = await Promise.allSettled(requests.map((request) => sound.get(request, context)))
      return settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [{ ok: true as const, secret: outcome.value }] : []))
    },
  }
}

function givesUp(sound: SecretProvider, delay: number): SecretProvider['get'] {
  return (request, context) => Promise.race([sound.get(request, context), new Promise<SecretVersion>((resolve) => void setTimeout(() => resolve({ value: 'given up' }), delay))])
}

function stageIsMissing(sound: SecretProvider): SecretProvider['get'] {
  return async (request, context) => {
    if (request.stage !== undefined) throw new BackendError(404)
    return sound.get(request, context)
  }
}

function refusesColons(refusal: () => Error): NonNullable<SecretProvider['locate']> {
  return (name) => {
    if (name.includes(':')) throw refusal()
    return { id: name }
  }
}

function keeps(sound: SecretProvider): SecretProvider['get'] {
  const kept = new Map<string, Promise<SecretVersion>>()
  return (request, context) => {
    const version = kept.get(request.id) ?? sound.get(request, context)
    kept.set(request.id, version)
    return version
  }
}

function mixesUp(sound: SecretProvider): SecretProvider['get'] {
  let id = ''
  return async (request, context) => {
    id = request.id
    await turn()
    return sound.get({ ...request, id }, context)
  }
}

function failsTwice(): () => Promise<void> {
  let isClosed = false
  return async () => {
    if (isClosed) throw new Error('closed already')
    isClosed = true
  }
}

function leaksInFix(sound: SecretProvider): SecretProvider['get'] {
  let last = ''
  return async (request, context) => {
    try {
      const version = await sound.get(request, context)
      last = textOf(version.value, 'the value')
      return version
    } catch {
      throw new SecretError({ code: 'unavailable', fix: `Look at ${Buffer.from(`token=${last}`).toString('base64')}` })
    }
  }
}
