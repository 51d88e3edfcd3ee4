/** Encryption with keys that never leave Vault: https://developer.hashicorp.com/vault/api-docs/secret/transit. */
import { boundedCall } from '../../src/bounded-call.js'
import { systemClock } from '../../src/clock.js'
import { checkDuration, checkFunction, checkList, checkObject, checkString } from '../../src/errors/check.js'
import { invalidConfig, isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { Duration } from '../../src/provider.js'
import { VaultClient, type Call } from './client.js'
import { failure } from './failure.js'
import { checkOptions, checkPath, optionNames, type VaultOptions } from './options.js'
import { encodePath, trimSlashes } from './path.js'
import { asRecord, textOf, VaultResponseError, type Body } from './response.js'
import { Session } from './session.js'
import { fromLogin } from './token-source.js'

export interface TransitOptions extends Omit<VaultOptions, 'mount' | 'parameters' | 'agents'> {
  /** The key's name. */
  key: string
  /** Where the engine is mounted. Default `'transit'`. */
  mount?: string
  /** Bound to every ciphertext as associated data: what was encrypted for one agent is not decrypted for another. Needs a key of an authenticated type, as the default one is. */
  agent?: string
  /** Of one call, login included. Default `'10s'`. */
  timeout?: Duration
  /** Hears of the credentials that are used, so that they can be redacted: `(value, name) => conceal(secrets, value, name)`. */
  conceal?: (value: string, label: string) => void
  /** Hears what an operator should know, such as of a wrapped secret id that somebody else has opened. Default: a warning of the process (`process.emitWarning`). */
  warn?: (warning: string) => void
}

export interface TransitCall {
  signal?: AbortSignal
}

export type TransitOutcome<Result> = { readonly ok: true; readonly result: Result } | { readonly ok: false; readonly error: SecretError }

/** Each throws a SecretError, or the signal's reason; of a list each item has an outcome of its own. */
export interface Transit {
  /** @returns A text such as `vault:v1:…`, which names the version of the key. */
  encrypt(plaintext: string | Uint8Array, call?: TransitCall): Promise<string>
  decrypt(ciphertext: string, call?: TransitCall): Promise<Uint8Array>
  /** Under the newest version of the key, without the plaintext leaving Vault where there is no agent. */
  rewrap(ciphertext: string, call?: TransitCall): Promise<string>
  encryptMany(plaintexts: readonly (string | Uint8Array)[], call?: TransitCall): Promise<readonly TransitOutcome<string>[]>
  decryptMany(ciphertexts: readonly string[], call?: TransitCall): Promise<readonly TransitOutcome<Uint8Array>[]>
  rewrapMany(ciphertexts: readonly string[], call?: TransitCall): Promise<readonly TransitOutcome<string>[]>
  /** Ends the token of a login. */
  close(): Promise<void>
}

/** @throws SecretError `invalid-config` for options that are none. */
export function transit(options: TransitOptions): Transit {
  const { key, mount, agent, timeout, conceal, warn, ...connection } = checkObject(options, 'transit', ['key', 'agent', 'timeout', 'conceal', 'warn', ...optionNames])
  for (const name of ['parameters', 'agents']) if (name in connection) throw invalidConfig(`transit.${name}`, 'is not an option', 'those of the connection to Vault')
  return new TransitClient({
    connection,
    path: encodePath(mount === undefined ? 'transit' : checkPath(trimSlashes(checkString(mount, 'transit.mount')), 'transit.mount')),
    key: encodePath(checkPath(key, 'transit.key')),
    agent: agent === undefined ? undefined : checkText(checkString(agent, 'transit.agent'), 'transit.agent'),
    timeout: timeout === undefined ? 10_000 : checkDuration(timeout, 'transit.timeout'),
    conceal: conceal === undefined ? () => undefined : (checkFunction(conceal, 'transit.conceal') as Settings['conceal']),
    warn: warn === undefined ? warnProcess : (checkFunction(warn, 'transit.warn') as Settings['warn']),
  })
}

interface Settings {
  readonly connection: VaultOptions
  readonly path: string
  readonly key: string
  readonly agent: string | undefined
  readonly timeout: number
  readonly conceal: (value: string, label: string) => unknown
  readonly warn: (warning: string) => unknown
}

const warnProcess = (warning: string): void => process.emitWarning(`keyward: ${warning}`)

type Item = Readonly<Record<string, string>>

class TransitClient implements Transit {
  readonly #settings: Settings
  readonly #client: VaultClient
  readonly #session: Session
  /** What is sent with each item. */
  readonly #bound: Item

  get #isBound(): boolean {
    return this.#settings.agent !== undefined
  }

  constructor(settings: Settings) {
    const { connection, agent, conceal, warn } = settings
    const checked = checkOptions(connection)
    this.#settings = settings
    this.#client = new VaultClient(checked)
    this.#session = new Session(fromLogin(checked.auth), this.#client, {
      environment: undefined,
      directory: '.',
      clock: systemClock,
      warn: (warning) => void warn(warning),
      conceal: (value, label) => void conceal(value, label),
      login: () => undefined,
    })
    this.#bound = agent === undefined ? {} : { associated_data: base64(`keyward agent ${agent}`) }
  }

  async encrypt(plaintext: string | Uint8Array, call?: TransitCall): Promise<string> {
    return ciphertextOf(await this.#one('encrypt', { plaintext: base64(checkPlaintext(plaintext)) }, call))
  }

  async decrypt(ciphertext: string, call?: TransitCall): Promise<Uint8Array> {
    return plaintextOf(await this.#one('decrypt', { ciphertext: checkString(ciphertext, 'ciphertext') }, call))
  }

  async rewrap(ciphertext: string, call?: TransitCall): Promise<string> {
    // The server rewraps nothing that has associated data: it would have to be told that, and takes none.
    if (this.#isBound) return this.encrypt(await this.decrypt(ciphertext, call), call)
    return ciphertextOf(await this.#one('rewrap', { ciphertext: checkString(ciphertext, 'ciphertext') }, call))
  }

  encryptMany(plaintexts: readonly (string | Uint8Array)[], call?: TransitCall): Promise<readonly TransitOutcome<string>[]> {
    const items = checkList(plaintexts, 'plaintexts').map((plaintext) => ({ plaintext: base64(checkPlaintext(plaintext)) }))
    return this.#many('encrypt', items, ciphertextOf, call)
  }

  decryptMany(ciphertexts: readonly string[], call?: TransitCall): Promise<readonly TransitOutcome<Uint8Array>[]> {
    return this.#many('decrypt', items(ciphertexts), plaintextOf, call)
  }

  async rewrapMany(ciphertexts: readonly string[], call?: TransitCall): Promise<readonly TransitOutcome<string>[]> {
    if (!this.#isBound) return this.#many('rewrap', items(ciphertexts), ciphertextOf, call)
    const decrypted = await this.decryptMany(ciphertexts, call)
    const encrypted = [
      ...(await this.encryptMany(
        decrypted.flatMap((outcome) => (outcome.ok ? [outcome.result] : [])),
        call,
      )),
    ]
    return decrypted.map((outcome) => (outcome.ok ? encrypted.shift()! : outcome))
  }

  async close(): Promise<void> {
    await this.#session.close()
    this.#client.close()
  }

  async #one(action: Action, item: Item, call: TransitCall = {}): Promise<Readonly<Record<string, unknown>>> {
    const { data } = await this.#send(action, { ...item, ...this.#bound }, call)
    return asRecord(data)
  }

  async #many<Result>(
    action: Action,
    list: readonly Item[],
    read: (item: Readonly<Record<string, unknown>>) => Result,
    call: TransitCall = {},
  ): Promise<readonly TransitOutcome<Result>[]> {
    if (list.length === 0) return []
    const { data } = await this.#send(action, { batch_input: list.map((item) => ({ ...item, ...this.#bound })) }, call)
    const results = asRecord(data)['batch_results']
    const given: readonly unknown[] = Array.isArray(results) ? results : []
    return list.map((_, index) => outcomeOf(asRecord(given[index]), read))
  }

  #send(action: Action, body: Call['body'] & object, { signal }: TransitCall): Promise<Body> {
    const { path, key, timeout } = this.#settings
    const late = new SecretError({ code: 'timeout', fix: 'Vault did not answer in time: raise `transit.timeout`, or check the network' })
    return boundedCall({ signal, timeout, late, asSecretError }, (context) =>
      this.#session.send({ method: 'POST', path: `${path}/${action}/${key}`, body, mayHaveResults: 'batch_input' in body }, context),
    )
  }
}

type Action = 'encrypt' | 'decrypt' | 'rewrap'

const items = (ciphertexts: unknown): readonly Item[] =>
  checkList(ciphertexts, 'ciphertexts').map((ciphertext, index) => ({ ciphertext: checkString(ciphertext, `ciphertexts[${index}]`) }))

function checkPlaintext(plaintext: unknown): string | Uint8Array {
  if (typeof plaintext !== 'string' && !(plaintext instanceof Uint8Array)) throw invalidConfig('plaintext', 'is neither text nor bytes', 'a string or a Uint8Array')
  return typeof plaintext === 'string' ? checkText(plaintext, 'plaintext') : plaintext
}

/** What UTF-8 cannot write would come back as something else. */
function checkText(text: string, option: string): string {
  if (/\p{Cs}/u.test(text)) throw invalidConfig(option, 'has half of a surrogate pair, which is no Unicode', 'text, or bytes')
  return text
}

const base64 = (plaintext: string | Uint8Array): string => Buffer.from(plaintext).toString('base64')

const ciphertextOf = ({ ciphertext }: Readonly<Record<string, unknown>>): string => textOf(ciphertext) ?? unanswered()
const plaintextOf = ({ plaintext }: Readonly<Record<string, unknown>>): Uint8Array =>
  typeof plaintext === 'string' && /^[\w+/]*={0,2}$/.test(plaintext) ? new Uint8Array(Buffer.from(plaintext, 'base64')) : unanswered()

function unanswered(): never {
  throw new SecretError({ code: 'unavailable', fix: 'Vault answered without a result' })
}

/** The text of an item's error is the server's, and not told. */
function outcomeOf<Result>(item: Readonly<Record<string, unknown>>, read: (item: Readonly<Record<string, unknown>>) => Result): TransitOutcome<Result> {
  if (textOf(item['error']) !== undefined) return { ok: false, error: refused() }
  try {
    return { ok: true, result: read(item) }
  } catch (error) {
    return { ok: false, error: asSecretError(error) }
  }
}

const place = 'Check `transit.key` and `transit.mount`, and that a policy grants "update" on encrypt/, decrypt/ and rewrap/ of this key'

const refused = (status?: number): SecretError =>
  new SecretError({
    code: 'invalid-value',
    ...(status === undefined ? {} : { status }),
    fix: 'Vault cannot do this with what it was given: it is no ciphertext of this key, was made for another agent, or is of a version below `min_decryption_version`; or the key is of a type that cannot, as one without associated data for an `agent`',
  })

function asSecretError(error: unknown): SecretError {
  if (isSecretError(error)) return error
  if (error instanceof VaultResponseError && error.statusCode === 400) return refused(400)
  const known = failure(error)
  return new SecretError(known === undefined ? { code: 'unavailable' } : { ...known, ...(known.code === 'not-found' || known.code === 'denied' ? { fix: place } : {}) })
}
