/** What is put and deleted. Through the provider itself: by id, whole secrets. */
import { isSecretError } from '../../errors/secret-error.js'
import type { SecretErrorCode } from '../../errors/failure.js'
import type { JsonValue, SecretValue, SecretWrite } from '../../provider.js'
import { createCanary } from '../canary.js'
import { expect, expectEqual, expectFailure, failureOfCall, outcomeOf, textOf, unlessRefused, within } from '../expect.js'
import type { CaseTable, Trial } from '../trial.js'

/** How a value that the backend cannot hold may be refused. */
const refusals: readonly SecretErrorCode[] = ['unsupported', 'invalid-value']

export const writes: CaseTable = {
  async put(trial) {
    if (!(await canPut(trial, { value: createCanary().value }))) return
    const name = trial.name('PUT')
    const { id, field } = trial.locate(name)
    const [first, second] = [createCanary().value, createCanary((core) => `  ${core} pâté Ω 水 e\u0301 \u{1f34c} "double" $HOME #hash\n\tline \u2028 end  `).value]
    const one = await write(trial, id, first)
    await expectStored(trial, id, first, one.version)
    const two = await write(trial, id, second)
    await expectStored(trial, id, second, two.version)
    expect(one.version === undefined || one.version !== two.version, 'two puts made the same version')
    if (one.version !== undefined && trial.provider.supports?.version === true) {
      const old = await trial.stored({ id, version: one.version })
      expectEqual(textOf(old.value, 'the old version'), first, 'the value at the version that the first put returned')
    }
    const secrets = trial.open({ retry: false })
    if (field === undefined) expectEqual(await secrets.getSecret(name), second, 'the value that was put, as it is read,')
    const empty = await unlessRefused(trial.provider, write(trial, id, ''), 'a put of an empty text', refusals)
    await expectStored(trial, id, empty === undefined ? second : '', empty?.result.version)

    const [third, other] = [createCanary().value, trial.name('PUT_BY_NAME')]
    try {
      const put = await within(secrets.putSecret(other, third), 30_000, 'putSecret')
      const description = await secrets.describeSecret(other)
      expect(put.version === undefined || description.version === put.version, `putSecret returned the version "${put.version}", and describeSecret then another`)
      expectEqual(await secrets.getSecret(other), third, 'the value that putSecret put')
    } catch (error) {
      // A field of a larger secret is changed by compare-and-set, which not every backend has.
      if (field === undefined || !isSecretError(error, 'unsupported')) throw error
    }
  },

  async 'put large value'(trial) {
    if (!(await canPut(trial, { value: createCanary((core) => core.padEnd(65_536, '.')).value }))) return
    const { id } = trial.locate(trial.name('PUT_LARGE'))
    const { value } = createCanary((core) => core.padEnd(65_536, 'keyward 64 KiB '))
    // A backend may keep less, and then says so.
    const put = await unlessRefused(trial.provider, write(trial, id, value), 'a put of 64 KiB', refusals)
    if (put !== undefined) await expectStored(trial, id, value, put.result.version)
  },

  async 'put bytes'(trial) {
    if (!(await canPut(trial, { value: new Uint8Array(1) }))) return
    const { id } = trial.locate(trial.name('PUT_BYTES'))
    for (const [what, bytes] of [
      ['bytes that are UTF-8', new TextEncoder().encode(createCanary().value)],
      ['bytes that are no text', Uint8Array.from({ length: 256 }, (_, index) => 255 - index)],
    ] as const) {
      const put = await unlessRefused(trial.provider, write(trial, id, bytes), `a put of ${what}`, refusals)
      if (put !== undefined) expect(hexOf(bytesOf((await trial.stored({ id })).value)) === hexOf(bytes), `${what} do not come back as they were put`)
    }
  },

  async 'put record'(trial) {
    if (!(await canPut(trial, { value: { password: createCanary().value } }))) return
    const { id } = trial.locate(trial.name('PUT_RECORD'))
    const record = { user: 'keyward', password: createCanary().value, port: 5432, nested: { list: [1, 'two', null, true] } }
    const put = await unlessRefused(trial.provider, write(trial, id, record), 'a put of a record', refusals)
    if (put === undefined) return
    const { value } = await trial.stored({ id })
    expect(sorted(recordOf(value)) === sorted(record), 'a record does not come back as it was put: its fields, or JSON text of them')
  },

  async 'compare and set'(trial) {
    if (!(await canPut(trial, { value: createCanary().value, ifVersion: null }))) return
    const id = trial.locate(trial.name('COMPARED')).id
    const values = Array.from({ length: 8 }, () => createCanary().value) as [string, string, string, string, string, string, string, string]
    const first = await unlessRefused(trial.provider, write(trial, id, values[0], { ifVersion: null }), 'a put with ifVersion null where there is none')
    if (first !== undefined) await expectStored(trial, id, values[0], first.result.version)
    else await write(trial, id, values[0])
    await expectConflict(trial, id, { value: values[1], ifVersion: null }, 'a put with ifVersion null over one that is there', first === undefined)
    await expectStored(trial, id, values[0])

    const { version: wrong = '1' } = await trial.stored({ id })
    const { version: returned } = await write(trial, id, values[2])
    const right = returned ?? (await trial.stored({ id })).version
    const second = await expectConflict(trial, id, { value: values[3], ifVersion: wrong }, 'a put with the ifVersion of an older version')
    await expectStored(trial, id, values[2])
    if (second === 'unsupported' || right === undefined) {
      const refused = await unlessRefused(trial.provider, write(trial, id, values[3], { ifVersion: right ?? '1' }), 'a put with ifVersion')
      return expect(refused === undefined, 'a put with ifVersion is done for one version and "unsupported" for another')
    }
    const third = await write(trial, id, values[3], { ifVersion: right })
    await expectStored(trial, id, values[3], third.version)

    const { version: current = '' } = await trial.stored({ id })
    const racers = values.slice(4).map((value) => outcomeOf(trial.provider, write(trial, id, value, { ifVersion: current }), 'one of several puts with the same ifVersion'))
    const outcomes = await Promise.all(racers)
    const winners = outcomes.flatMap(({ failure }, index) => (failure === undefined ? [values[index + 4] as string] : []))
    expect(winners.length === 1, `of ${racers.length} puts at once with the same ifVersion ${winners.length} were done instead of one`)
    for (const { failure } of outcomes)
      expect(failure === undefined || failure.code === 'conflict', `of several puts with the same ifVersion one fails with "${failure?.code}" instead of "conflict"`)
    await expectStored(trial, id, winners[0] ?? '')
  },

  async idempotency(trial) {
    if (!(await canPut(trial, { value: createCanary().value, idempotencyKey: crypto.randomUUID() }))) return
    const { id } = trial.locate(trial.name('IDEMPOTENT'))
    const [value, other] = [createCanary().value, createCanary().value]
    // As long as the longest that backends ask for, and as random.
    const idempotencyKey = crypto.randomUUID()
    const first = await unlessRefused(trial.provider, write(trial, id, value, { idempotencyKey }), 'a put with an idempotencyKey')
    if (first === undefined) return expectMissing(trial, id, 'after a put that was refused')
    const { version } = await trial.stored({ id })
    const second = await write(trial, id, value, { idempotencyKey })
    expect(second.version === first.result.version, 'the same put with the same idempotencyKey returns another version')
    expect((await trial.stored({ id })).version === version, 'the same put with the same idempotencyKey made another version')
    const failure = await failureOfCall(trial.provider, write(trial, id, other, { idempotencyKey }), 'a put of another value with the same idempotencyKey')
    expect(failure.code === 'conflict', `a put of another value with the same idempotencyKey fails with "${failure.code}" instead of "conflict"`)
    await expectStored(trial, id, value)
  },

  async 'write fields'(trial) {
    if (!(await canPut(trial, { value: createCanary().value, contentType: 'text/plain', expiresAt: new Date(Date.now() + 86_400_000) }))) return
    const ids = trial.ids('STAGED', 'EXPIRING', 'TYPED')
    const before = createCanary().value
    for (const id of Object.values(ids)) await trial.seed({ [id]: before })

    const stage = 'keyward-kit-stage'
    const staged = await honoured(trial, ids.STAGED, { value: createCanary().value, stage }, before)
    if (staged !== undefined) {
      if (trial.provider.supports?.stage === true) {
        const { result, failure } = await outcomeOf(trial.provider, trial.stored({ id: ids.STAGED, stage }), 'a get of a stage that was put to')
        expect(failure === undefined, `put took a stage, and a get of it fails with "${failure?.code}": what cannot be honoured is "unsupported"`)
        expectEqual(textOf(result.value, 'the stage'), staged.value as string, 'the value at the stage that it was put to')
      } else
        expect(
          (await details(trial, ids.STAGED)).some(({ stages }) => stages?.includes(stage) === true),
          'put took a stage, and neither get nor describe tell it: what cannot be honoured is "unsupported"',
        )
    }

    // In whole seconds, as some backends keep it.
    const expiresAt = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 86_400_000)
    const expiring = await honoured(trial, ids.EXPIRING, { value: createCanary().value, expiresAt }, before)
    if (expiring !== undefined) {
      const isTold = (await details(trial, ids.EXPIRING)).some(({ expiresAt: told }) => told !== undefined && Math.abs(told.getTime() - expiresAt.getTime()) < 1_000)
      expect(isTold, 'put took expiresAt, and neither get nor describe tell that time: what cannot be honoured is "unsupported"')
      await expectStored(trial, ids.EXPIRING, expiring.value as string)
    }

    const contentType = 'text/x-keyward-kit'
    const typed = await honoured(trial, ids.TYPED, { value: createCanary().value, contentType }, before)
    if (typed !== undefined) {
      expect(
        (await details(trial, ids.TYPED)).some((told) => told.contentType === contentType),
        'put took a contentType, and neither get nor describe tell it: what cannot be honoured is "unsupported"',
      )
      await expectStored(trial, ids.TYPED, typed.value as string)
    }
  },

  async delete(trial) {
    const name = trial.name('DELETED')
    const secrets = trial.open({ retry: false })
    const remove = trial.provider.delete
    if (remove === undefined) return trial.expectUnsupported(secrets.deleteSecret(name), 'deleteSecret of a provider that deletes nothing')
    const ids = trial.ids('DELETED', 'DELETED_NOT', 'NEVER_THERE')
    const kept = createCanary().value
    await trial.seed({ [ids.DELETED]: createCanary().value, [ids.DELETED_NOT]: kept })
    if (trial.locate(name).field === undefined) await secrets.getSecret(name)
    await within(remove({ id: ids.DELETED }, trial.context()), 30_000, 'a delete')
    await expectMissing(trial, ids.DELETED, 'after its deletion')
    await expectFailure(secrets.getSecret(name, { fresh: true }), 'not-found', 'a read of a deleted secret')
    await expectStored(trial, ids.DELETED_NOT, kept)
    for (const [what, id] of [
      ['a second delete', ids.DELETED],
      ['a delete of what was never there', ids.NEVER_THERE],
    ] as const)
      await unlessRefused(trial.provider, remove({ id }, trial.context()), what, ['not-found', 'conflict'])

    const other = trial.name('DELETED_NOT')
    if (trial.locate(other).field !== undefined) return
    expectEqual(await secrets.getSecret(other), kept, 'the value of what is there beside a deleted one')
    await within(secrets.deleteSecret(other), 30_000, 'deleteSecret')
    await expectFailure(secrets.getSecret(other), 'not-found', 'a read of what deleteSecret deleted')
  },
}

/** Can it put at all? Where it cannot, the case is that no call is made. */
async function canPut(trial: Trial, { value, ...options }: SecretWrite): Promise<boolean> {
  if (trial.provider.put !== undefined) return true
  await trial.expectUnsupported(trial.open().putSecret(trial.name('PUT_NOT'), value, options), 'putSecret of a provider that writes nothing')
  return false
}

async function write(trial: Trial, id: string, value: SecretValue, rest: Omit<SecretWrite, 'value'> = {}): Promise<{ version?: string }> {
  const { version }: { version?: unknown } = await within(trial.part('put')({ id }, { value, ...rest }, trial.context()), 30_000, 'a put')
  expect(version === undefined || (typeof version === 'string' && version !== ''), 'put returned a version that is not a text')
  return version === undefined ? {} : { version }
}

/** That it is there as it was put, and at the version that put returned, where both say one. */
async function expectStored(trial: Trial, id: string, expected: string, version?: string): Promise<void> {
  const { result: stored, failure } = await outcomeOf(trial.provider, trial.stored({ id }), 'a get of what was put')
  expect(failure === undefined, `a get of what was put fails with "${failure?.code}"`)
  expectEqual(textOf(stored.value, 'what was put'), expected, 'the value that get returned')
  expect(version === undefined || stored.version === undefined || stored.version === version, `put returned the version "${version}", and get then another`)
}

async function expectMissing(trial: Trial, id: string, when: string): Promise<void> {
  const { code } = await failureOfCall(trial.provider, trial.stored({ id }), `a get ${when}`)
  expect(code === 'not-found', `a get ${when} fails with "${code}" instead of "not-found"`)
}

/** @param isUnsupported Was the field refused before? Then it has to be refused again. */
async function expectConflict(trial: Trial, id: string, { value, ...rest }: SecretWrite, what: string, isUnsupported = false): Promise<'conflict' | 'unsupported'> {
  const { code } = await failureOfCall(trial.provider, write(trial, id, value, rest), what)
  expect(code === 'unsupported' || (code === 'conflict' && !isUnsupported), `${what} fails with "${code}" instead of "${isUnsupported ? 'unsupported' : 'conflict'}"`)
  return code
}

/** A put with a field that some backends do not have: undefined where it is refused, and then it has changed nothing. */
async function honoured(trial: Trial, id: string, { value, ...rest }: SecretWrite, before: string): Promise<SecretWrite | undefined> {
  const put = await unlessRefused(trial.provider, write(trial, id, value, rest), `a put with ${Object.keys(rest).join()}`)
  if (put === undefined) await expectStored(trial, id, before)
  return put === undefined ? undefined : { value, ...rest }
}

/** What is told beside the value, by get and by describe. */
async function details(trial: Trial, id: string): Promise<readonly { stages?: readonly string[]; expiresAt?: Date; contentType?: string }[]> {
  const described = await trial.provider.describe?.({ id }, trial.context())
  return [await trial.stored({ id }), ...(described === undefined ? [] : [described])]
}

function bytesOf(value: SecretValue): Uint8Array {
  return value instanceof Uint8Array ? value : new TextEncoder().encode(textOf(value, 'what was put as bytes'))
}

function recordOf(value: SecretValue): unknown {
  if (typeof value === 'object' && !(value instanceof Uint8Array) && !('value' in value)) return value
  try {
    return JSON.parse(textOf(value, 'what was put as a record'))
  } catch (error) {
    if (isSecretError(error)) throw error
    return undefined
  }
}

/** JSON text with its fields in order. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, member: JsonValue) =>
    typeof member === 'object' && member !== null && !Array.isArray(member) ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1))) : member,
  )
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
