/** The tokens that one vault is asked with: for it alone, concealed, told of, and renewed before they end. */
import { readCredentialFile } from '../../src/credential-file.js'
import { invalidConfig, isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { ProviderSetup, SecretErrorCode } from '../../src/provider.js'
import { waitFor } from '../../src/wait-for.js'
import { credentialOf, forget } from './credential.js'
import { failure } from './failure.js'
import { loginFailure } from './login-failure.js'
import { domains, type AzureTokenCredential, type CheckedCredential } from './options.js'

interface Token {
  readonly token: string
  /** Epoch milliseconds. */
  readonly expiresOnTimestamp: number
}

/** Milliseconds that one login may take, however many wait for it. */
const longestLogin = 30_000
/** Milliseconds before its end at which a token is renewed, and at which it is used no more. */
const renewal = 120_000
const lastUse = 1_000

/**
 * The SDK would renew a token behind its requests, where nobody hears of a failure, and go on after its client was closed; and one request that is given up would end the
 * login of others. So it is given each token as one that is over, and asks here each time.
 */
export class VaultCredential implements AzureTokenCredential {
  readonly #checked: CheckedCredential
  readonly #vault: URL
  readonly #isEmulator: boolean
  readonly #setup: ProviderSetup
  readonly #closing = new AbortController()
  #held: (Token & { readonly scope: string }) | undefined
  #login: Promise<Token> | undefined
  /** Epoch milliseconds until which nobody asks again who can do without. */
  #restsUntil = 0

  constructor(checked: CheckedCredential, { vaultUrl, isEmulator }: { vaultUrl: URL; isEmulator: boolean }, setup: ProviderSetup) {
    this.#checked = checked
    this.#vault = vaultUrl
    this.#isEmulator = isEmulator
    this.#setup = setup
    if (checked.method === 'client-secret' && checked.clientSecret !== undefined) setup.conceal(checked.clientSecret, 'azure credential')
    if (checked.method === 'certificate' && checked.certificatePassword !== undefined) setup.conceal(checked.certificatePassword, 'azure credential')
  }

  /** @throws SecretError `invalid-config` where there are no credentials at all. */
  demand(): void {
    if (this.#checked.method === 'missing') throw this.#checked.error
  }

  // The tenant that a challenge names is not taken from it: whoever answers would choose who logs in where.
  readonly getToken = async (scopes: string | string[], { claims }: { claims?: string } = {}): Promise<Token> => {
    const scope = this.#demandOwn([scopes].flat())
    const held = claims === undefined && this.#held?.scope === scope ? this.#held : undefined
    const left = (held?.expiresOnTimestamp ?? 0) - Date.now()
    if (held !== undefined && (left > renewal || (left > lastUse && Date.now() < this.#restsUntil))) return asOver(held)
    const login = this.#begin(scope, claims)
    if (held === undefined || left <= lastUse) return asOver(await login)
    login.catch(() => undefined)
    return asOver(held)
  }

  close(): void {
    this.#held = undefined
    this.#closing.abort(new SecretError({ code: 'closed' }))
  }

  #begin(scope: string, claims: string | undefined): Promise<Token> {
    if (claims !== undefined) return this.#logIn(scope, claims)
    this.#login ??= this.#logIn(scope, undefined).finally(() => {
      this.#login = undefined
    })
    return this.#login
  }

  async #logIn(scope: string, claims: string | undefined): Promise<Token> {
    const { clock } = this.#setup
    const startedAt = clock.now()
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(longestLogin)])
    try {
      const { token, expiresOnTimestamp } = await this.#ask(scope, claims, signal)
      if (token !== this.#held?.token) {
        this.#setup.conceal(token, 'azure token')
        this.#setup.login({ outcome: 'ok', duration: clock.now() - startedAt })
      }
      this.#held = { token, expiresOnTimestamp, scope }
      return this.#held
    } catch (error) {
      const told = this.#told(error, signal)
      if (!this.#closing.signal.aborted) this.#setup.login({ outcome: codeOf(told), duration: clock.now() - startedAt })
      throw told
    }
  }

  async #ask(scope: string, claims: string | undefined, signal: AbortSignal): Promise<Token> {
    await waitFor(demandFile(this.#checked), signal)
    const credential = await waitFor(credentialOf(this.#checked), signal)
    const options = { abortSignal: signal, enableCae: true, ...(claims === undefined ? {} : { claims }) }
    const given = await waitFor(Promise.resolve(credential.getToken(scope, options)), signal)
    if (typeof given?.token !== 'string' || given.token === '' || !Number.isFinite(given.expiresOnTimestamp))
      throw new SecretError({ code: 'unauthenticated', fix: 'The credential gave no token, or not until when: check `azure.credential`' })
    return given
  }

  #told(error: unknown, signal: AbortSignal): unknown {
    if (isSecretError(error)) return error
    if (signal.aborted) return new SecretError({ code: 'unavailable', reason: 'login', fix: 'Azure gave no token within 30 s: check `azure.credential`, and the network' })
    const failed = loginFailure(error, this.#checked.method)
    if (failed === undefined) return error
    if (failed.code !== 'unauthenticated') forget(this.#checked)
    const told = new SecretError(failed)
    this.#restsUntil = Date.now() + (told.retryAfter ?? 0)
    return told
  }

  /**
   * A vault says itself what a token has to be for, before it has shown who it is: a token for anything else would be somebody else's to use.
   * https://devblogs.microsoft.com/azure-sdk/guidance-for-applications-using-the-key-vault-libraries/
   */
  #demandOwn([scope = '', another]: readonly string[]): string {
    const own = domains.filter((domain) => this.#isEmulator || this.#vault.hostname.endsWith(`.${domain}`)).map((domain) => `https://${domain}/.default`)
    if (this.#isEmulator) own.push(`${this.#vault.origin}/.default`, `${this.#vault.protocol}//${this.#vault.hostname}/.default`)
    if (another === undefined && own.includes(scope)) return scope
    throw new SecretError({
      code: 'invalid-config',
      reason: 'challenge',
      fix: 'What answered asks for a token that is not for this vault, and was given none: check `azure.vaultUrl` (AZURE_KEYVAULT_URL); for an emulator on this machine set `azure.allowInsecureEmulator`',
    })
  }
}

const asOver = ({ token }: Token): Token => ({ token, expiresOnTimestamp: 0 })

// The SDK says of a file only that something failed.
async function demandFile(checked: CheckedCredential): Promise<void> {
  if (checked.method === 'workload-identity') await readCredentialFile(checked.tokenFile!, 'azure.credential.tokenFile (AZURE_FEDERATED_TOKEN_FILE)')
  if (checked.method !== 'certificate') return
  const option = 'azure.credential.certificatePath (AZURE_CLIENT_CERTIFICATE_PATH)'
  const text = await readCredentialFile(checked.certificatePath!, option)
  if (!/-----BEGIN CERTIFICATE-----/.test(text) || !/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw invalidConfig(option, 'is no certificate with its key', 'a file that has both in PEM')
}

const codeOf = (error: unknown): SecretErrorCode => (isSecretError(error) ? error.code : (failure(error)?.code ?? 'unavailable'))
