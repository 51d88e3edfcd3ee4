/** No value shows where it was not asked for. */
import type { StandardSchemaV1 } from '../../read/types.js'
import { createCanary, type Canary } from '../canary.js'
import { expect, expectEqual, rejectionOf } from '../expect.js'
import type { CaseTable, FailureKind } from '../trial.js'

export const leaks: CaseTable = {
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
    // A backend of records keeps it as one, which is JSON.
    const { value: stored } = await trial.stored(trial.locate(name))
    if (typeof stored === 'string' || stored instanceof Uint8Array) await note('a read as JSON of a text that is none', secrets.getSecret(name, { as: 'json' }))
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

export async function expectNone(canary: Canary, seen: ReadonlyMap<string, unknown>): Promise<void> {
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
