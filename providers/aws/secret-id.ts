/**
 * Names and ARNs of secrets: https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html. AWS adds a hyphen and six characters to the name
 * for the ARN, so that a secret that is made anew under its name has another.
 */
import { SecretError } from '../../src/errors/secret-error.js'

export interface SecretArn {
  readonly partition: string
  readonly region: string
  readonly account: string
  readonly name: string
}

const arn = /^arn:([\w-]+):secretsmanager:([\w-]+):(\d{12}):secret:(.+)-[A-Za-z0-9]{6}$/
const legal = /^[A-Za-z0-9/_+=.@-]{1,512}$/

/** Undefined for what is a name. */
export function parseArn(id: string): SecretArn | undefined {
  const [, partition, region, account, name] = arn.exec(id) ?? []
  return partition === undefined || region === undefined || account === undefined || name === undefined ? undefined : { partition, region, account, name }
}

/** @throws SecretError `unsupported` for a name that AWS cannot hold. */
export function checkName(name: string): string {
  if (legal.test(name)) return name
  throw new SecretError({
    code: 'unsupported',
    reason: 'name',
    fix: 'AWS names secrets with letters, digits and /_+=.@- alone, up to 512: say in `references` what it is called there',
  })
}

/**
 * Which ARNs are of secrets that have a name here as well. The account of this identity is not known before AWS was asked, so where nothing says which it is, that of
 * the first ARN is taken for it, and each such read is made by the name and held against the ARN: a wrong guess fails, and hands over nothing.
 */
export class SecretIds {
  readonly #known: string | undefined
  #guessed: string | undefined

  constructor(account: string | undefined) {
    this.#known = account
  }

  /** The name of a secret of this account, and anything else as it is. */
  canonical(id: string): string {
    const parsed = parseArn(id)
    if (parsed === undefined) return id
    if (this.#known === undefined) this.#guessed ??= parsed.account
    return parsed.account === (this.#known ?? this.#guessed) ? parsed.name : id
  }

  /** What to do where nothing was found by the name of an ARN whose account is a guess. */
  fixOf(id: string): string | undefined {
    return this.#known === undefined && parseArn(id) !== undefined
      ? 'There is no such secret in the account of this identity: if the ARN is of another one, set `aws.account` (AWS_ACCOUNT_ID) to your own'
      : undefined
  }

  /** @throws SecretError `not-found` where what was answered is not the secret that was asked for. */
  demand(id: string, answered: string | undefined): void {
    if (parseArn(id) === undefined || answered === id) return
    throw new SecretError({
      code: 'not-found',
      fix:
        this.#known === undefined && parseArn(answered ?? '')?.account !== parseArn(id)?.account
          ? 'The ARN is of another account than the names are: set `aws.account` (AWS_ACCOUNT_ID) to the account of this identity'
          : 'There is a secret of this name, and it has another ARN, since it was made anew: correct the reference, or name the secret instead',
    })
  }
}
