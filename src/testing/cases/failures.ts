/** Failures are told as what they are, and nothing hangs. */
import { durationMilliseconds } from '../../duration.js'
import type { SecretErrorCode } from '../../errors/failure.js'
import { createCanary } from '../canary.js'
import { expect, expectEqual, expectFailure, failureOfCall, nameOf, rejectionOf, within } from '../expect.js'
import type { CaseTable, FailureKind, Trial } from '../trial.js'

export const failures: CaseTable = {
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
