/**
 * The life of a secret's versions in AWS: the rotation function, the labels of stages, the schedule.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets.html
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import { boundedCall, boundsOf, checkCall, type Verb } from '../../src/bounded-call.js'
import { checkDuration, checkFunction, checkObject, checkString } from '../../src/errors/check.js'
import { invalidConfig, isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { CallContext, Duration } from '../../src/provider.js'
import { AwsClient, type Send } from './client.js'
import { failure } from './failure.js'
import { checkOptions, type AwsOptions } from './options.js'
import { current, deleted, isDate, isNamed } from './read.js'

const previous = 'AWSPREVIOUS'
const pending = 'AWSPENDING'

/** Version to stages. */
type Versions = Readonly<Record<string, readonly string[]>>

/** As for `aws(…)`: who acts, and where. */
export interface RotationOptions extends Pick<AwsOptions, 'region' | 'endpoint' | 'profile' | 'credentials' | 'client'> {
  /** Of one call, without the wait of `rotate`. Default `'10s'`. */
  timeout?: Duration
  /** Hears of the keys that are used, so that they can be redacted: `(value, name) => conceal(secrets, value, name)`. */
  conceal?: (value: string, label: string) => void
}

export interface RotationCall {
  signal?: AbortSignal
}

export interface RotateCall extends RotationCall {
  /** How long the rotation function is waited for; `false`: not at all. Default `'5m'`. */
  wait?: Duration | false
  /** The ARN of the rotation function, where the secret has none yet. */
  functionArn?: string
  /** A schedule from now on, whole days: `'30d'`. */
  every?: Duration
  /** The same as `cron(…)` or `rate(…)`, in UTC. */
  expression?: string
  /** Hours in which a scheduled rotation has to be done: `'3h'`. */
  window?: Duration
}

export interface RotationSchedule {
  /** Is it rotated by its schedule? */
  readonly isEnabled: boolean
  readonly functionArn?: string
  /** Days. */
  readonly everyDays?: number
  readonly expression?: string
  /** As AWS says it, such as `3h`. */
  readonly window?: string
  readonly lastRotatedAt?: Date
  readonly nextRotationAt?: Date
  /** Version to stages. */
  readonly versions: Versions
}

/** Which version is the current one now, and which was. */
export interface Promotion {
  readonly version: string
  readonly previous: string | undefined
}

/** Ids are names or ARNs of secrets, as AWS has them. Each throws a SecretError, or the signal's reason. What a process holds of the secret it is to be told of by `invalidate`. */
export interface Rotation {
  /**
   * Has the rotation function make a new version, and waits until it is the current one.
   * @throws SecretError `conflict` where another rotation has not ended; `timeout` where this one has not: it may still.
   */
  rotate(id: string, call?: RotateCall): Promise<{ readonly version: string }>
  /**
   * Makes the version under AWSPENDING the current one, or the one that is named; what was current becomes AWSPREVIOUS. Nothing happens where it is current already.
   * @throws SecretError `not-found` where there is none; `conflict` where somebody else moved the label meanwhile.
   */
  promote(id: string, call?: RotationCall & { version?: string }): Promise<Promotion>
  /**
   * Makes the version under AWSPREVIOUS the current one.
   * @throws SecretError as `promote` does.
   */
  rollBack(id: string, call?: RotationCall): Promise<Promotion>
  /** Takes AWSPENDING from what a failed rotation left, which would let no other begin. */
  discard(id: string, call?: RotationCall): Promise<void>
  schedule(id: string, call?: RotationCall): Promise<RotationSchedule>
  /** Brings back what waits for its deletion. */
  restore(id: string, call?: RotationCall): Promise<void>
  close(): Promise<void>
}

/** @throws SecretError `invalid-config` for options that are none. */
export function rotation(options: RotationOptions = {}): Rotation {
  const { timeout, conceal, ...connection } = checkObject(options, 'rotation', ['region', 'endpoint', 'profile', 'credentials', 'client', 'timeout', 'conceal'])
  const hear = conceal === undefined ? () => undefined : (checkFunction(conceal, 'rotation.conceal') as (value: string, label: string) => unknown)
  return new SecretRotation(
    new AwsClient({ ...checkOptions(connection), conceal: (key) => void hear(key, 'aws credential') }),
    timeout === undefined ? 10_000 : checkDuration(timeout, 'rotation.timeout'),
  )
}

class SecretRotation implements Rotation {
  readonly #client: AwsClient
  readonly #send: Send
  readonly #timeout: number

  constructor(client: AwsClient, timeout: number) {
    this.#client = client
    this.#send = client.send
    this.#timeout = timeout
  }

  async rotate(id: string, given: RotateCall = {}): Promise<{ version: string }> {
    const call = checkCall<RotateCall>(given, ['wait', 'functionArn', 'every', 'expression', 'window'])
    const { wait: patience = '5m', functionArn } = call
    const milliseconds = patience === false ? undefined : checkDuration(patience, 'wait')
    const rules = rulesOf(call)
    const input = {
      SecretId: checkString(id, 'id'),
      ClientRequestToken: randomUUID(),
      ...(functionArn === undefined ? {} : { RotationLambdaARN: checkFunctionArn(functionArn) }),
      ...(rules === undefined ? {} : { RotationRules: rules }),
    }
    const version = await this.#bounded(id, call, 'rotated', async (context) => {
      const { VersionId: made } = await this.#send('RotateSecretCommand', input, context).catch((error: unknown) => this.#refused(id, error, context))
      return made ?? input.ClientRequestToken
    })
    if (milliseconds !== undefined) await this.#settled(id, version, milliseconds, call)
    return { version }
  }

  async promote(id: string, given: RotationCall & { version?: string } = {}): Promise<Promotion> {
    const call = checkCall<RotationCall & { version?: string }>(given, ['version'])
    if (call.version === undefined)
      return this.#moveCurrent(id, call, 'promoted', pending, 'No version of the secret waits under AWSPENDING: put one with `stage`, or name a version')
    const version = checkString(call.version, 'version')
    return this.#bounded(id, call, 'promoted', async (context) => {
      const versions = await this.#versions(id, context)
      if (!Object.hasOwn(versions, version)) throw missing('The secret has no such version')
      return this.#makeCurrent(id, version, versions, context)
    })
  }

  async rollBack(id: string, given: RotationCall = {}): Promise<Promotion> {
    return this.#moveCurrent(id, checkCall(given), 'rolled back', previous, 'The secret has no version under AWSPREVIOUS: promote one by its version')
  }

  async discard(id: string, given: RotationCall = {}): Promise<void> {
    return this.#bounded(id, checkCall(given), 'changed', async (context) => {
      const version = holderOf(await this.#versions(id, context), pending)
      if (version !== undefined) await this.#move(id, pending, { RemoveFromVersionId: version }, context)
    })
  }

  async schedule(id: string, given: RotationCall = {}): Promise<RotationSchedule> {
    return this.#bounded(id, checkCall(given), 'described', async (context) => {
      const described = await this.#send('DescribeSecretCommand', { SecretId: id }, context)
      if (isDate(described.DeletedDate)) throw deleted(described.DeletedDate)
      const { RotationEnabled: isEnabled = false, RotationLambdaARN: functionArn = '', RotationRules: rules = {}, VersionIdsToStages: versions = {} } = described
      const { LastRotatedDate: lastRotatedAt, NextRotationDate: nextRotationAt } = described
      const { AutomaticallyAfterDays: everyDays = 0, ScheduleExpression: expression, Duration: window } = rules
      return {
        isEnabled,
        ...(functionArn === '' ? {} : { functionArn }),
        ...(everyDays > 0 ? { everyDays } : {}),
        ...(expression === undefined ? {} : { expression }),
        ...(window === undefined ? {} : { window }),
        ...(isDate(lastRotatedAt) ? { lastRotatedAt } : {}),
        ...(isDate(nextRotationAt) ? { nextRotationAt } : {}),
        versions,
      }
    })
  }

  async restore(id: string, given: RotationCall = {}): Promise<void> {
    return this.#bounded(id, checkCall(given), 'restored', async (context) => void (await this.#send('RestoreSecretCommand', { SecretId: id }, context)))
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  /** Of the version under this stage, whose label is taken first: AWS compares one label alone, and by then somebody else may have moved it. */
  #moveCurrent(id: string, call: RotationCall, verb: Verb, stage: string, none: string): Promise<Promotion> {
    return this.#bounded(id, call, verb, async (context) => {
      const versions = await this.#versions(id, context)
      const version = holderOf(versions, stage)
      if (version === undefined) throw missing(none)
      if (holderOf(versions, current) === version) return { version, previous: holderOf(versions, previous) }
      await this.#move(id, stage, { RemoveFromVersionId: version }, context)
      try {
        return await this.#makeCurrent(id, version, versions, context)
      } catch (error) {
        // As it was, for whoever tries again.
        await this.#move(id, stage, { MoveToVersionId: version }, { ...context, signal: AbortSignal.timeout(this.#timeout) }).catch(() => undefined)
        throw error
      }
    })
  }

  async #makeCurrent(id: string, version: string, versions: Versions, context: CallContext): Promise<Promotion> {
    const before = holderOf(versions, current)
    if (before === version) return { version, previous: holderOf(versions, previous) }
    await this.#move(id, current, { MoveToVersionId: version, ...(before === undefined ? {} : { RemoveFromVersionId: before }) }, context)
    return { version, previous: before }
  }

  /** AWS compares: a label that is elsewhere by now is not moved. */
  async #move(id: string, stage: string, versions: { MoveToVersionId?: string; RemoveFromVersionId?: string }, context: CallContext): Promise<void> {
    try {
      await this.#send('UpdateSecretVersionStageCommand', { SecretId: id, VersionStage: stage, ...versions }, context)
    } catch (error) {
      if (!isNamed(error, 'InvalidParameterException', 'InvalidRequestException')) throw error
      throw new SecretError({ code: 'conflict', fix: 'Somebody else moved the label meanwhile: look at the versions again' })
    }
  }

  async #versions(id: string, context: CallContext): Promise<Versions> {
    const { VersionIdsToStages: versions = {}, DeletedDate: at } = await this.#send('DescribeSecretCommand', { SecretId: id }, context)
    if (isDate(at)) throw deleted(at)
    return versions
  }

  /** AWS names all that stands against a rotation alike, so the secret is looked at. */
  async #refused(id: string, error: unknown, context: CallContext): Promise<never> {
    if (!isNamed(error, 'InvalidRequestException')) throw error
    const versions = await this.#versions(id, context).catch((reason: unknown) => {
      throw isSecretError(reason, 'not-found') ? reason : error
    })
    const waiting = holderOf(versions, pending)
    if (waiting !== undefined && versions[waiting]?.includes(current) !== true)
      throw new SecretError({ code: 'conflict', reason: 'rotation-pending', fix: 'Another rotation has not ended: wait for it, or take what it left away with `discard`' })
    throw new SecretError({
      code: 'unsupported',
      reason: 'InvalidRequestException',
      fix: 'AWS cannot rotate this secret: it needs a rotation function (`functionArn`), and a schedule (`every` or `expression`) with the first one',
    })
  }

  async #settled(id: string, version: string, patience: number, { signal }: RotationCall): Promise<void> {
    const late = 'The rotation has not ended: raise `wait`, and see the log of the rotation function; `discard` takes away what it left'
    await boundedCall({ signal, timeout: patience, ...boundsOf(telling, id, 'rotated', late) }, async (context) => {
      for (let gap = 250; ; gap = Math.min(gap * 2, 10_000)) {
        if (await this.#isRotated(id, version, context)) return
        await wait(gap, undefined, { signal: context.signal, ref: false })
      }
    })
  }

  /** Also where another has taken its place since. */
  async #isRotated(id: string, version: string, context: CallContext): Promise<boolean> {
    try {
      const stages = (await this.#versions(id, context))[version]
      return stages?.includes(current) === true || stages?.includes(previous) === true
    } catch (error) {
      const code = isSecretError(error) ? error.code : failure(error)?.code
      // One look that fails says nothing of the rotation.
      if (code === 'throttled' || code === 'unavailable') return false
      throw error
    }
  }

  #bounded<Result>(id: string, { signal }: RotationCall, verb: Verb, run: (context: CallContext) => Promise<Result>): Promise<Result> {
    checkString(id, 'id')
    const late = 'AWS did not answer in time: raise `rotation.timeout`, or check the network'
    return boundedCall({ signal, timeout: this.#timeout, ...boundsOf(telling, id, verb, late) }, run)
  }
}

const telling = { provider: 'aws', failure }

const missing = (fix: string): SecretError => new SecretError({ code: 'not-found', reason: 'no-such-version', fix })

function checkFunctionArn(value: unknown): string {
  const text = checkString(value, 'functionArn')
  if (!/^arn:[\w-]+:lambda:[\w-]+:\d{12}:function:[\w:.$-]+$/.test(text)) throw invalidConfig('functionArn', 'is malformed', 'the ARN of a function of Lambda')
  return text
}

/** The version that has a label. */
const holderOf = (versions: Versions, stage: string): string | undefined => Object.entries(versions).find(([, stages]) => stages.includes(stage))?.[0]

/** https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html */
function rulesOf({ every, expression, window }: RotateCall): RotationRulesType | undefined {
  if (every !== undefined && expression !== undefined) throw invalidConfig('expression', 'stands beside `every`', 'one of the two')
  if (window !== undefined && every === undefined && expression === undefined) throw invalidConfig('window', 'is of no schedule', 'it beside `every` or `expression`')
  if (every === undefined && expression === undefined) return undefined
  return {
    ...(every === undefined ? {} : { AutomaticallyAfterDays: checkWhole(every, 'every', 86_400_000, 1_000, "whole days, '1d' to '1000d'") }),
    ...(expression === undefined ? {} : { ScheduleExpression: checkExpression(expression) }),
    ...(window === undefined ? {} : { Duration: `${checkWhole(window, 'window', 3_600_000, 24, "whole hours, '1h' to '24h'")}h` }),
  }
}

function checkWhole(value: unknown, option: string, unit: number, most: number, expected: string): number {
  const count = checkDuration(value, option) / unit
  if (!Number.isInteger(count) || count < 1 || count > most) throw invalidConfig(option, 'is not one that AWS takes', expected)
  return count
}

function checkExpression(value: unknown): string {
  const text = checkString(value, 'expression')
  if (!/^(?:rate|cron)\([\w *,#/?-]{1,240}\)$/.test(text)) throw invalidConfig('expression', 'is not one that AWS takes', 'cron(…) or rate(…)')
  return text
}
