/**
 * Names and ARNs of secrets: https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html. AWS adds a hyphen and six characters to the name
 * for the ARN, so that a secret that is made anew under its name has another.
 */
import { SecretError } from '../../src/errors/secret-error.js'
import { AwsNamedError } from './failure.js'

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

/** By how its regions begin: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html#arns-syntax. */
const partitions = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-iso-', 'aws-iso'],
  ['us-isob-', 'aws-iso-b'],
  ['eu-isoe-', 'aws-iso-e'],
  ['us-isof-', 'aws-iso-f'],
  ['eusc-', 'aws-eusc'],
] as const

export const partitionOf = (region: string): string => partitions.find(([beginning]) => region.startsWith(beginning))?.[1] ?? 'aws'

/** Could AWS hold this? */
export const isLegal = (name: string): boolean => legal.test(name)

/** @throws SecretError `unsupported` for a name that AWS cannot hold. */
export function nameOf(name: string): string {
  if (legal.test(name)) return name
  const fix = name.startsWith('arn:')
    ? 'An ARN is where a secret lives, and no name: give it a name in `references`'
    : 'AWS names secrets with letters, digits and /_+=.@- alone, up to 512: say in `references` what it is called there'
  throw new SecretError({ code: 'unsupported', reason: 'name', fix })
}

const untold = 'set `aws.account` (AWS_ACCOUNT_ID) to the account of this identity'
/** Names of ARNs that are kept apart by their account, where that of this identity is not known. */
const mostNames = 10_000

/**
 * Which ARNs are of secrets that have a name here as well: those of this account and region. What is held of a secret, and what `deny` refuses, goes by that name. Where
 * nothing says which account this is, each ARN is taken for one of this account, and read by its name first: only where there is no such secret can it be another's. A name
 * that stands for two secrets, by ARNs of two accounts or by its own answer, is read by none of them.
 */
export class SecretIds {
  readonly #account: string | undefined
  readonly #region: string | undefined
  /** By name, where the account is not known: that of the first ARN of this name. */
  readonly #taken = new Map<string, string>()

  constructor(account: string | undefined, region: string | undefined) {
    this.#account = account
    this.#region = region
  }

  /** The name of a secret of this account and region, and anything else as it is. */
  canonical(id: string): string {
    const parsed = parseArn(id)
    return parsed !== undefined && parsed.account === this.#accountOf(parsed) && this.#isHere(parsed) ? parsed.name : id
  }

  /** That of this identity as far as this ARN can tell. */
  #accountOf({ name, account }: SecretArn): string | undefined {
    if (this.#account !== undefined) return this.#account
    if (!this.#taken.has(name) && this.#taken.size < mostNames) this.#taken.set(name, account)
    return this.#taken.get(name)
  }

  #isHere({ region, partition }: SecretArn): boolean {
    return region === (this.#region ?? region) && partition === partitionOf(region)
  }

  /**
   * What a reference says, before anything is sent. AWS takes a part of an ARN as well, and guesses which secret is meant.
   * @throws SecretError `unsupported` for what is neither a name nor a whole ARN; `invalid-config` for an ARN of another region, or of a second account.
   */
  demand(id: string): void {
    const parsed = parseArn(id)
    if (parsed === undefined && !legal.test(id)) throw malformed(id)
    if (parsed === undefined) return
    if (!this.#isHere(parsed))
      throw new SecretError({
        code: 'invalid-config',
        reason: 'region',
        fix: `The ARN is of the region ${parsed.region}, and ${this.#region} is asked (\`aws.region\`, AWS_REGION): give that region a provider in \`providers\`, and begin the reference with its name`,
      })
    if (this.#account === undefined && this.#accountOf(parsed) !== parsed.account) throw ofTwoAccounts()
  }

  /** May it be of another account, although it is read by its name? */
  mayBeForeign(id: string): boolean {
    return this.#account === undefined && parseArn(id) !== undefined
  }

  /**
   * That what was answered is what was asked for.
   * @throws SecretError `invalid-config` where the name stands for a secret of another account as well, or has another ARN; AwsNamedError where it is another secret,
   * which no service of AWS answers with.
   */
  demandAnswer(id: string, { ARN: arn, Name: name }: { readonly ARN?: string | undefined; readonly Name?: string | undefined }): void {
    const [parsed, answered] = [parseArn(id), parseArn(arn ?? '')]
    if (parsed === undefined) {
      if ((name ?? id) !== id) throw new AwsNamedError('InternalServiceError')
      const taken = this.#account === undefined ? this.#taken.get(id) : undefined
      if (taken !== undefined && answered !== undefined && taken !== answered.account) throw ofTwoAccounts()
      return
    }
    if (arn === id) return
    if (answered?.name !== parsed.name) throw new AwsNamedError('InternalServiceError')
    if (answered.account !== parsed.account) throw ofTwoAccounts()
    throw new SecretError({
      code: 'invalid-config',
      reason: 'arn',
      fix: 'There is a secret of this name, and it has another ARN, since it was made anew: correct the reference, or name the secret instead',
    })
  }
}

const ofTwoAccounts = (): SecretError => new SecretError({ code: 'invalid-config', reason: 'account', fix: `This name stands for secrets of two accounts: ${untold}` })

function malformed(id: string): SecretError {
  const fix = id.startsWith('arn:')
    ? 'The reference is no whole ARN of a secret: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX, with the six characters that AWS put behind the name'
    : 'The reference is no name of AWS, which has letters, digits and /_+=.@- alone, up to 512'
  return new SecretError({ code: 'unsupported', reason: 'name', fix })
}
