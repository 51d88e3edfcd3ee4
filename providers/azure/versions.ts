/** The life of a secret's versions in Key Vault: what is disabled, deleted, recovered. It hands over no value, though the SDK reads one where it looks whether a secret is back. */
import { boundedCall, boundsOf, checkCall, type Verb } from '../../src/bounded-call.js'
import { systemClock } from '../../src/clock.js'
import type { SecretProperties } from '@azure/keyvault-secrets'
import { checkDuration, checkFunction, checkObject, checkString } from '../../src/errors/check.js'
import { SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { CallContext, Duration } from '../../src/provider.js'
import { VaultClient } from './client.js'
import { VaultCredential } from './session.js'
import { failure } from './failure.js'
import { checkId } from './name.js'
import { checkOptions, checkTags, type AzureOptions } from './options.js'
import { demandVersion, eachVersion } from './read.js'

export interface VersionsOptions extends Pick<AzureOptions, 'vaultUrl' | 'credential' | 'serviceVersion' | 'allowInsecureEmulator'> {
  /** Of one call, login included. Default `'10s'`. */
  timeout?: Duration
  /** Hears of the tokens that are used, so that they can be redacted: `(value, name) => conceal(secrets, value, name)`. */
  conceal?: (value: string, label: string) => void
}

export interface VersionsCall {
  signal?: AbortSignal
}

export interface VersionDescription {
  readonly version: string
  readonly isEnabled: boolean
  readonly createdAt?: Date
  readonly expiresAt?: Date
  readonly notBefore?: Date
  readonly contentType?: string
  readonly tags?: Readonly<Record<string, string>>
}

/** Each throws a SecretError, or the signal's reason. What a process holds of the secret it is to be told of by `invalidate`. */
export interface Versions {
  /** The newest first, as far as their times tell. */
  list(id: string, call?: VersionsCall): Promise<readonly VersionDescription[]>
  disable(id: string, version: string, call?: VersionsCall): Promise<void>
  enable(id: string, version: string, call?: VersionsCall): Promise<void>
  /** In place of those that the version has. */
  setTags(id: string, version: string, tags: Readonly<Record<string, string>>, call?: VersionsCall): Promise<void>
  /** Brings back a deleted secret, with all of its versions. */
  recover(id: string, call?: VersionsCall): Promise<void>
  /** Ends a deleted secret for good, so that its name is free. */
  purge(id: string, call?: VersionsCall): Promise<void>
  close(): Promise<void>
}

/** @throws SecretError `invalid-config` for options that are none. */
export function versions(options: VersionsOptions = {}): Versions {
  const { timeout, conceal, ...connection } = checkObject(options, 'versions', ['vaultUrl', 'credential', 'serviceVersion', 'allowInsecureEmulator', 'timeout', 'conceal'])
  const hear = conceal === undefined ? () => undefined : (checkFunction(conceal, 'versions.conceal') as (value: string, label: string) => unknown)
  return new VaultVersions(connection, timeout === undefined ? 10_000 : checkDuration(timeout, 'versions.timeout'), hear)
}

class VaultVersions implements Versions {
  readonly #client: VaultClient
  readonly #timeout: number

  constructor(connection: AzureOptions, timeout: number, conceal: (value: string, label: string) => unknown) {
    const checked = checkOptions(connection)
    const setup = {
      environment: undefined,
      directory: '.',
      clock: systemClock,
      warn: () => undefined,
      conceal: (value: string, label: string) => void conceal(value, label),
      login: () => undefined,
    }
    this.#client = new VaultClient({ ...checked, clock: systemClock }, new VaultCredential(checked.credential, checked, setup))
    this.#timeout = timeout
  }

  async list(id: string, call: VersionsCall = {}): Promise<readonly VersionDescription[]> {
    return this.#bounded(id, call, 'listed', async (context) => {
      const found: VersionDescription[] = []
      await eachVersion(this.#client, id, context, (one) => (found.push(descriptionOf(one)), false))
      const time = ({ createdAt }: VersionDescription): number => createdAt?.getTime() ?? 0
      return found.toSorted((left, right) => time(right) - time(left))
    })
  }

  async disable(id: string, version: string, call: VersionsCall = {}): Promise<void> {
    return this.#update(id, version, { enabled: false }, call)
  }

  async enable(id: string, version: string, call: VersionsCall = {}): Promise<void> {
    return this.#update(id, version, { enabled: true }, call)
  }

  async setTags(id: string, version: string, tags: Readonly<Record<string, string>>, call: VersionsCall = {}): Promise<void> {
    return this.#update(id, version, { tags: { ...checkTags(tags, 'tags') } }, call)
  }

  async recover(id: string, call: VersionsCall = {}): Promise<void> {
    return this.#bounded(
      id,
      call,
      'restored',
      async (context) =>
        void (await this.#ofDeleted(
          id,
          this.#client.run(context, (vault, options) => vault.beginRecoverDeletedSecret(id, options)),
        )),
    )
  }

  async purge(id: string, call: VersionsCall = {}): Promise<void> {
    return this.#bounded(id, call, 'deleted', (context) =>
      this.#ofDeleted(
        id,
        this.#client.run(context, (vault, options) => vault.purgeDeletedSecret(id, options)),
      ),
    )
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  async #ofDeleted<Result>(id: string, answer: Promise<Result>): Promise<Result> {
    return answer.catch((error: unknown) => {
      const told = failure(error)
      throw told?.code === 'not-found' ? new SecretNotFoundError({ ...told, code: 'not-found', fix: `No secret "${id}" waits among the deleted ones of this vault` }) : error
    })
  }

  #update(id: string, version: string, change: { enabled?: boolean; tags?: Record<string, string> }, call: VersionsCall): Promise<void> {
    demandVersion(checkString(version, 'version'))
    return this.#bounded(id, call, 'changed', async (context) => {
      await this.#client.run(context, (vault, options) => vault.updateSecretProperties(id, version, { ...options, ...change }))
    })
  }

  #bounded<Result>(id: string, call: VersionsCall, verb: Verb, run: (context: CallContext) => Promise<Result>): Promise<Result> {
    const { signal } = checkCall(call)
    checkId(checkString(id, 'id'))
    const late = 'Azure did not answer in time: raise `versions.timeout`, or check the network'
    return boundedCall({ signal, timeout: this.#timeout, ...boundsOf({ provider: 'azure', failure }, id, verb, late) }, run)
  }
}

function descriptionOf({ version = '', enabled = true, createdOn, expiresOn, notBefore, contentType, tags }: SecretProperties): VersionDescription {
  return {
    version,
    isEnabled: enabled,
    ...(createdOn === undefined ? {} : { createdAt: createdOn }),
    ...(expiresOn === undefined ? {} : { expiresAt: expiresOn }),
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(tags === undefined ? {} : { tags }),
  }
}
