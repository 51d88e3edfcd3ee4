import { durationMilliseconds } from '../duration.js'
import type { SecretErrorCode } from '../errors/failure.js'
import { isSecretError } from '../errors/secret-error.js'
import type { StandardSchemaV1 } from '../read/types.js'
import { createCanary, type Canary } from './canary.js'
import { expect, expectEqual, expectFailure, failureOfCall, nameOf, rejectionOf, textOf, within } from './expect.js'
import type { ConformanceHarness } from './harness.js'
import { runTrial, type FailureKind, type Trial } from './trial.js'

export interface ConformanceCase {
  /** Also the key of this case in the harness's `skips`. */
  readonly name: string
  /** The harness's reason, once `run` has settled: harnesses are made when a case runs, so nothing is known before. Absent: the case ran. */
  readonly skip?: string
  /** Makes a harness, runs the case against it and closes it. Rejects with what the provider did wrong. */
  run(): Promise<void>
}

/**
 * What a provider has to do, case by case, for any test runner:
 *
 *     for (const conformanceCase of conformanceCases(createHarness)) {
 *       it(conformanceCase.name, async (context) => {
 *         await conformanceCase.run()
 *         if (conformanceCase.skip !== undefined) context.skip(conformanceCase.skip)
 *       })
 *     }
 *
 * A case that the backend cannot have is listed in the harness's `skips` with its reason; `run` then checks that the reason says something and runs nothing.
 * A case that needs a harness method (`rotate`, `remove`, `deny`, `fail`) which is not there, and is not listed, fails. A name in `skips` that is no case fails
 * every case. `version` and `stage` need no skip where the provider does not support them: there the case is that no call is made.
 * @param createHarness Called once for each case.
 */
export function conformanceCases(createHarness: () => Promise<ConformanceHarness>): readonly ConformanceCase[] {
  return Object.keys(cases).map((name) => createCase(name, createHarness))
}

function createCase(name: string, createHarness: () => Promise<ConformanceHarness>): ConformanceCase {
  const created: { name: string; skip?: string; run(): Promise<void> } = {
    name,
    async run() {
      delete created.skip
      const harness = await createHarness()
      try {
        const reason = reasonOf(name, harness)
        if (reason === undefined) await runTrial(name, harness, cases[name] ?? unknownCase)
        else created.skip = reason
      } finally {
        await harness.close()
      }
    },
  }
  return created
}

function reasonOf(name: string, { skips = {} }: ConformanceHarness): string | undefined {
  for (const [skipped, reason] of Object.entries(skips)) {
    expect(Object.hasOwn(cases, skipped), `skips['${skipped}'] of the harness names no case: the cases are ${Object.keys(cases).join(', ')}`)
    expect(typeof reason === 'string' && reason.trim() !== '', `skips['${skipped}'] of the harness gives no reason: say why the backend cannot have this case`)
  }
  return Object.hasOwn(skips, name) ? skips[name] : undefined
}

function unknownCase(): never {
  throw new Error('keyward/testing: there is no such case')
}

const cases: Readonly<Record<string, (trial: Trial) => Promise<void>>> = {
  async found(trial) {
    const name = trial.name('FOUND')
    const { value } = createCanary()
    await trial.place({ [name]: value })
    expectEqual(await trial.open().getSecret(name), value, 'the value')
    const version = await trial.get(name)
    if (trial.locate(name).field === undefined) expectEqual(textOf(version.value, 'what get returned'), value, 'the value that get returned')
    expect(version.version === undefined || (typeof version.version === 'string' && version.version !== ''), 'get returned a version that is not a text')
    const { field: _, ...request } = trial.locate(name)
    const description = await trial.provider.describe?.(request, trial.context())
    expect(description === undefined || !('value' in description), 'describe returned the value as well')
    await trial.provider.check?.(trial.context())
  },

  async 'empty string'(trial) {
    const name = trial.name('EMPTY')
    await trial.place({ [name]: '' })
    expectEqual(await trial.open().getSecret(name, { default: 'the default, which is for a missing secret' }), '', 'the empty value')
  },

  async missing(trial) {
    const name = trial.name('MISSING')
    const secrets = trial.open()
    const error = await expectFailure(secrets.getSecret(name), 'not-found', 'a read of a missing secret')
    expect(
      error.reason === undefined,
      `a missing secret is not-found with the reason "${error.reason}": a reason ends a search, so keep it for what was deleted, disabled or expired`,
    )
    expect((await secrets.getSecret(name, { default: 'instead' })) === 'instead', 'the default does not answer for a missing secret')
    const failure = await failureOfCall(trial.provider, trial.get(name), 'a get of a missing secret')
    expect(failure.code === 'not-found', `failure() says "${failure.code}" of a missing secret instead of "not-found"`)
  },

  async 'several at once'(trial) {
    const [first, missing, second] = [trial.name('FIRST'), trial.name('MISSING'), trial.name('SECOND')]
    const values = { [first]: createCanary().value, [second]: createCanary().value }
    await trial.place(values)
    const outcomes = await trial.open().getSecrets([first, missing, second], { partial: true })
    for (const name of [first, second]) {
      const outcome = outcomes[name]
      expect(outcome?.ok === true, 'a secret that is there failed beside one that is missing', outcome?.ok === false ? outcome.error : undefined)
      expectEqual(outcome.value, values[name] ?? '', 'a value among several')
    }
    const outcome = outcomes[missing]
    expect(outcome?.ok === false && outcome.error.code === 'not-found', 'a missing secret among several is not "not-found"')

    const { batch } = trial.provider
    if (batch === undefined) return
    expect(Number.isInteger(batch.limit) && batch.limit >= 1, 'batch.limit is not a whole number of at least 1')
    const requests = [first, missing, second].map((name) => ({ id: trial.locate(name).id })).filter((request) => batch.accepts?.(request) ?? true)
    const answers = await within(batch.get(requests.slice(0, batch.limit), trial.context()), 30_000, 'batch.get')
    expect(answers.length === Math.min(requests.length, batch.limit), `batch.get returned ${answers.length} outcomes for ${requests.length} requests`)
  },

  async denied(trial) {
    const name = trial.name('DENIED')
    await trial.place({ [name]: createCanary().value })
    await trial.deny(name)
    const secrets = trial.open()
    const error = await expectFailure(secrets.getSecret(name), 'denied', 'a read that the backend refuses')
    expect(error.deniedBy === 'backend', `a read that the backend refuses is denied by "${error.deniedBy}" instead of "backend"`)
    await expectFailure(secrets.getSecret(name, { default: 'instead' }), 'denied', 'a read with a default that the backend refuses')
  },

  async throttled(trial) {
    await expectOutage(trial, 'throttled')
  },

  async 'retry after'(trial) {
    const name = trial.name('RETRY_AFTER')
    await trial.place({ [name]: createCanary().value })
    await trial.fail('throttled')
    const { retryAfter } = await failureOfCall(trial.provider, trial.get(name), 'a get while the backend throttles')
    const milliseconds = typeof retryAfter === 'number' ? retryAfter : durationMilliseconds(retryAfter)
    expect(milliseconds !== undefined, 'failure() gives no retryAfter (a duration with a unit) although the backend throttles: if it never says for how long, say so in skips')
    const error = await expectFailure(trial.open({ retry: false }).getSecret(name), 'throttled', 'a read while the backend throttles')
    expect(error.retryAfter !== undefined && error.retryAfter <= milliseconds, `the error says ${error.retryAfter} ms instead of the backend's ${milliseconds} ms`)
  },

  async unavailable(trial) {
    await expectOutage(trial, 'unavailable')
  },

  async unauthenticated(trial) {
    await expectOutage(trial, 'unauthenticated')
  },

  async timeout(trial) {
    const name = trial.name('HUNG')
    await trial.place({ [name]: createCanary().value })
    await trial.fail('timeout')
    const read = trial.open({ timeout: '300ms', retry: false }).getSecret(name)
    await within(expectFailure(read, 'timeout', 'a read of a backend that does not answer'), 3_000, 'a read with a timeout of 300 ms')
  },

  async abort(trial) {
    const name = trial.name('ABORTED')
    const { value } = createCanary()
    await trial.place({ [name]: value })
    const secrets = trial.open({ retry: false })
    const reason = new Error('the caller has left')
    const controller = new AbortController()
    const left = secrets.getSecret(name, { signal: controller.signal })
    const stayed = secrets.getSecret(name)
    controller.abort(reason)
    const [error, shared] = await Promise.all([within(rejectionOf(left, 'an aborted read'), 3_000, 'an aborted read'), stayed])
    expect(error === reason, `an aborted read failed with ${nameOf(error)} instead of the signal's reason`, error)
    expectEqual(shared, value, 'the value of a read that shares the call of an aborted one')

    if (!trial.can('fail', 'timeout')) return
    await trial.fail('timeout')
    const late = new AbortController()
    const hung = trial.open({ retry: false, cache: false }).getSecret(name, { signal: late.signal })
    // Only once the call is under way: an abort before that is another case.
    setTimeout(() => late.abort(reason), 50)
    const last = await within(rejectionOf(hung, 'an aborted read of a backend that does not answer'), 3_000, 'an aborted read of a backend that does not answer')
    expect(last === reason, `an aborted read of a backend that does not answer failed with ${nameOf(last)} instead of the signal's reason`, last)
  },

  async version(trial) {
    const name = trial.name('VERSION')
    const [old, current] = [createCanary().value, createCanary().value]
    await trial.place({ [name]: old })
    const secrets = trial.open()
    if (trial.provider.supports?.version !== true) return expectNoCall(trial, secrets.getSecret(name, { version: '1' }), 'a version')
    const before = await trial.get(name)
    expect(before.version !== undefined, 'the provider supports versions and get does not say which one it returned')
    await trial.rotate(name, current)
    const after = await trial.get(name)
    expect(after.version !== undefined && after.version !== before.version, 'after a rotation get returns the same version')
    expectEqual(await secrets.getSecret(name, { version: before.version }), old, 'the old version')
    expectEqual(await secrets.getSecret(name, { version: after.version }), current, 'the new version')
    expectEqual(await secrets.getSecret(name), current, 'the value without a version')
  },

  async stage(trial) {
    const name = trial.name('STAGE')
    const { value } = createCanary()
    await trial.place({ [name]: value })
    const secrets = trial.open()
    if (trial.provider.supports?.stage !== true) return expectNoCall(trial, secrets.getSecret(name, { stage: 'current' }), 'a stage')
    const stage = (await trial.get(name)).stages?.[0]
    expect(stage !== undefined, 'the provider supports stages and get does not say those of what it returned')
    expectEqual(await secrets.getSecret(name, { stage }), value, `the value at stage "${stage}"`)
  },

  async field(trial) {
    const name = trial.name('FIELD')
    const { value } = createCanary()
    await trial.place({ [name]: JSON.stringify({ user: 'keyward', password: value }) })
    const secrets = trial.open()
    expectEqual(await secrets.getSecret(name, { field: 'password' }), value, 'the field')
    const error = await expectFailure(secrets.getSecret(name, { field: 'nowhere' }), 'not-found', 'a read of a field that is not there')
    expect(error.reason === 'no-such-field', `a field that is not there is not-found with the reason "${error.reason}" instead of "no-such-field"`)
  },

  async unicode(trial) {
    const name = trial.name('UNICODE')
    const value = createCanary((core) => `  ${core} pâté Ω 水 e\u0301 שלום \u{1f34c} "double" 'single' $HOME \${HOME} #hash a=b \\n\n\tsecond line \u2028 end  `).value
    await trial.place({ [name]: value })
    expectEqual(await trial.open().getSecret(name), value, 'the value')
  },

  async 'large value'(trial) {
    const name = trial.name('LARGE')
    const value = createCanary((core) => core.padEnd(65_536, 'keyward 64 KiB ')).value
    await trial.place({ [name]: value })
    expectEqual(await trial.open().getSecret(name), value, 'the value of 64 KiB')
  },

  async names(trial) {
    const secrets = trial.open()
    const values = new Map<string, string>()
    for (const part of ['kit/slash', 'kit?question=mark&more', 'kit#hash', 'kit%percent', 'kit%2Fencoded', 'kit:colon', 'kit with space', 'kit+plus']) {
      const name = trial.name(part)
      try {
        trial.locate(name)
      } catch (error) {
        expect(
          isSecretError(error, 'unsupported'),
          `locate refuses the name "${part}" with ${isSecretError(error) ? `"${error.code}"` : nameOf(error)} instead of a SecretError "unsupported"`,
          error,
        )
        await expectNoCall(trial, secrets.getSecret(name), `the name "${part}"`)
        continue
      }
      const { value } = createCanary()
      await trial.place({ [name]: value })
      values.set(name, value)
    }
    for (const [name, value] of values) expectEqual(await secrets.getSecret(name), value, `the value of the name "${name}", which locate accepts,`)
  },

  async rotation(trial) {
    const name = trial.name('ROTATED')
    const [old, current] = [createCanary().value, createCanary().value]
    await trial.place({ [name]: old })
    const secrets = trial.open()
    expectEqual(await secrets.getSecret(name), old, 'the value before the rotation')
    await trial.rotate(name, current)
    expectEqual(await secrets.getSecret(name, { fresh: true }), current, 'the value after the rotation')
    expectEqual(await secrets.getSecret(name), current, 'the value that is cached after the rotation')
  },

  async removal(trial) {
    const name = trial.name('REMOVED')
    await trial.place({ [name]: createCanary().value })
    const secrets = trial.open({ retry: false })
    await secrets.getSecret(name)
    await trial.remove(name)
    await expectFailure(secrets.getSecret(name, { fresh: true }), 'not-found', 'a read of a removed secret')
    await expectFailure(secrets.getSecret(name), 'not-found', 'a second read of a removed secret')
    if (!trial.can('fail', 'unavailable')) return
    await trial.fail('unavailable')
    secrets.invalidate(name)
    await rejectionOf(secrets.getSecret(name), 'a read of a removed secret in an outage')
  },

  async 'concurrent reads'(trial) {
    const names = Array.from({ length: 10 }, (_, index) => trial.name(`CONCURRENT_${index}`))
    const values = Object.fromEntries(names.map((name) => [name, createCanary().value]))
    await trial.place(values)
    const secrets = trial.open({ timeout: '30s' })
    const [one = ''] = names
    const same = await within(Promise.all(Array.from({ length: 1_000 }, () => secrets.getSecret(one))), 40_000, '1,000 reads of one secret')
    for (const value of same) expectEqual(value, values[one] ?? '', 'a value among 1,000 reads of one secret')
    expect(trial.asked === 1, `1,000 reads of one secret asked the provider ${trial.asked} times instead of once`)

    const other = trial.open({ cache: false, timeout: '30s' })
    const mixed = names.flatMap((name) => Array.from({ length: 100 }, async () => [name, await other.getSecret(name)] as const))
    for (const [name, value] of await within(Promise.all(mixed), 40_000, '1,000 reads of ten secrets'))
      expectEqual(value, values[name] ?? '', 'a value among 1,000 reads of ten secrets')
  },

  async close(trial) {
    const name = trial.name('CLOSED')
    await trial.place({ [name]: createCanary().value })
    const secrets = trial.open({ provider: trial.given })
    await secrets.getSecret(name)
    await within(secrets.close(), 15_000, 'close()')
    await within(secrets.close(), 15_000, 'a second close()')
    await expectFailure(secrets.getSecret(name), 'closed', 'a read after close()')
    for (const which of ["the provider's close()", 'a second close() of the provider']) {
      try {
        await within(trial.provider.close?.() ?? Promise.resolve(), 15_000, which)
      } catch (error) {
        throw new Error(`${which} failed: ${nameOf(error)}`, { cause: error })
      }
    }
  },

  async 'unknown errors'(trial) {
    for (const [what, error] of unknownErrors()) {
      let failure: unknown
      try {
        failure = trial.provider.failure(error)
      } catch (thrown) {
        throw new Error(`failure() throws at ${what}`, { cause: thrown })
      }
      expect(failure === undefined, `failure() claims to know ${what}: recognise errors by name, code or status`)
    }
  },

  async 'no value leaks'(trial) {
    const canary = createCanary()
    const name = trial.name('CANARY')
    await trial.place({ [name]: canary.value })
    const seen = new Map<string, unknown>()
    const events: unknown[] = []
    const secrets = trial.open({ retry: false, cache: { ttl: '1ms', staleIfError: '1ms' }, timeout: '2s', audit: (event) => void events.push(event) })
    const read = secrets.getSecret(name)
    await expectNone(canary, new Map([['a read in flight', read]]))
    expectEqual(await read, canary.value, 'the value')
    seen.set('a settled read', read)
    seen.set('the secrets', secrets)
    seen.set('a scope', secrets.scope({ allow: [name] }))
    seen.set('a redacted value', await secrets.getSecret(name, { as: 'redacted' }))
    seen.set('a description', await secrets.describeSecret(name))

    const note = async (what: string, promise: Promise<unknown>): Promise<void> => {
      seen.set(`the rejected promise of ${what}`, promise)
      seen.set(`the error of ${what}`, await rejectionOf(promise, what))
    }
    await note('a read as JSON of a text that is none', secrets.getSecret(name, { as: 'json' }))
    if (trial.locate(name).field === undefined) await note('a read of a field of a text that is no object', secrets.getSecret(name, { field: 'password' }))
    await note('a read whose schema quotes the value', secrets.getSecret(name, { schema: quotingSchema }))
    await note('a read outside the scope', secrets.scope({ allow: ['KEYWARD_KIT_OTHER'] }).getSecret(name as 'KEYWARD_KIT_OTHER'))
    await note('a read of a missing secret', secrets.getSecret(trial.name('MISSING')))
    await note('several reads of which one fails', secrets.getSecrets([name, trial.name('MISSING')]))
    if (trial.provider.supports?.version !== true) await note('a read of a version', secrets.getSecret(name, { version: '1' }))
    if (trial.can('deny', 'denied')) {
      const denied = trial.name('DENIED')
      await trial.place({ [denied]: canary.value })
      await trial.deny(denied)
      await note('a read that the backend refuses', secrets.getSecret(denied))
    }
    for (const kind of ['unavailable', 'throttled', 'unauthenticated', 'timeout'] satisfies FailureKind[]) {
      if (!trial.can('fail', kind)) continue
      const restore = await trial.fail(kind)
      // Without a cache that could answer, and without the cool-down of the failure before.
      const hit = trial.open({ retry: false, cache: false, timeout: '1s', audit: (event) => void events.push(event) })
      await note(`a read while the backend is ${kind}`, hit.getSecret(name))
      await restore()
    }
    await secrets.close()
    await note('a read after close()', secrets.getSecret(name))

    expect(events.length > 0, 'the audit sink was told of no event')
    events.forEach((event, index) => seen.set(`audit event ${index}`, event))
    await expectNone(canary, seen)
  },
}

/** An outage is told as what it is, and ends when the backend is back. */
async function expectOutage(trial: Trial, kind: FailureKind & SecretErrorCode): Promise<void> {
  const name = trial.name('OUTAGE')
  const { value } = createCanary()
  await trial.place({ [name]: value })
  const restore = await trial.fail(kind)
  const what = `while the backend is ${kind}`
  const secrets = trial.open({ retry: false })
  await expectFailure(secrets.getSecret(name, { default: 'instead' }), kind, `a read ${what}`)
  const failure = await failureOfCall(trial.provider, trial.get(name), `a get ${what}`)
  expect(failure.code === kind, `failure() says "${failure.code}" ${what}`)
  await restore()
  expectEqual(await trial.open({ provider: trial.given }).getSecret(name), value, 'the value after the outage')
}

async function expectNoCall(trial: Trial, read: Promise<unknown>, what: string): Promise<void> {
  const before = trial.asked
  await expectFailure(read, 'unsupported', `a read with ${what}, which the provider does not support,`)
  expect(trial.asked === before, `a read with ${what}, which the provider does not support, made a call`)
}

async function expectNone(canary: Canary, seen: ReadonlyMap<string, unknown>): Promise<void> {
  // At this place, so that the module itself also loads where there is no such module.
  const { inspect } = await import('node:util')
  for (const [what, shown] of seen) {
    const printers = {
      'util.inspect': () => inspect(shown, { showHidden: true, depth: 10, maxStringLength: null, maxArrayLength: null }),
      'JSON.stringify': () => JSON.stringify(shown),
      'String()': () => String(shown),
    }
    for (const [how, print] of Object.entries(printers)) {
      const text = printed(print)
      const form = canary.foundIn(text)
      expect(form === undefined, `${what} shows the value ${form} (${how})`)
    }
  }
}

/** What cannot be printed that way shows at most its error. */
function printed(print: () => string | undefined): string {
  try {
    return print() ?? ''
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

const quotingSchema: StandardSchemaV1<unknown, string> = {
  '~standard': { version: 1, vendor: 'keyward', validate: (value) => ({ issues: [{ message: `cannot take ${String(value)}` }] }) },
}

/** What may be thrown, and says nothing of a backend. */
function unknownErrors(): readonly (readonly [string, unknown])[] {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const hostile = Object.defineProperties(
    new Error('hostile'),
    Object.fromEntries(['name', 'code', 'status', 'statusCode', 'response', 'cause', '$metadata'].map((key) => [key, { get: fails }])),
  )
  return [
    ['undefined', undefined],
    ['null', null],
    ['a text', 'AccessDenied: 403 Forbidden'],
    ['a number', 404],
    ['a symbol', Symbol('error')],
    ['an empty object', {}],
    ['an object without a prototype', Object.create(null)],
    ['a function', () => undefined],
    ['a plain Error', new Error('something else')],
    ['an Error whose message alone speaks of a failure', new Error('403 Forbidden: access denied, secret not found, 429 too many requests, ECONNREFUSED, timed out')],
    ['a TypeError of a mistake in the code', new TypeError('cannot read properties of undefined')],
    ['an Error whose members have the wrong types', Object.assign(new Error('odd'), { code: {}, status: '', statusCode: null, response: null, $metadata: 0, errors: null })],
    ['an Error whose members throw', hostile],
    ['a revoked Proxy', proxy],
  ]
}

function fails(): never {
  throw new Error('a getter that throws')
}
