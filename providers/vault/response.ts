/** What Vault answers, and the errors that an answer becomes. */

/** A body of Vault's interface: https://developer.hashicorp.com/vault/api-docs#api-operations. Nothing in it is trusted to be there. */
export interface Body {
  readonly data?: Readonly<Record<string, unknown>>
  readonly auth?: Readonly<Record<string, unknown>>
  readonly lease_id?: unknown
  readonly lease_duration?: unknown
  readonly renewable?: unknown
}

/** A status that is no success. Made of what says nothing of a secret: no text of the server's is kept. */
export class VaultResponseError extends Error {
  override readonly name = 'VaultResponseError'
  readonly statusCode: number
  /** Milliseconds. */
  readonly retryAfter: number | undefined
  /** Of a version of a KV secret that is there and cannot be read: when it was deleted, and whether for good. */
  readonly gone: { readonly at: Date | undefined; readonly isDestroyed: boolean } | undefined
  /** Did the server warn of something, as of a path of the other version of KV? */
  readonly hasWarnings: boolean

  constructor(statusCode: number, retryAfter: number | undefined, body: unknown) {
    super('Vault answered with an error')
    this.statusCode = statusCode
    this.retryAfter = retryAfter
    const { data, warnings } = asRecord(body)
    const metadata = asRecord(asRecord(data)['metadata'])
    const at = dateOf(metadata['deletion_time'])
    this.gone = metadata['destroyed'] === true || at !== undefined ? { at, isDestroyed: metadata['destroyed'] === true } : undefined
    this.hasWarnings = (Array.isArray(warnings) && warnings.length > 0) || Array.isArray(asRecord(data)['warnings'])
  }
}

/** Why an answer was not taken for one of Vault's. */
export type AnswerFault = 'not-json' | 'too-large' | 'redirected'

export class VaultAnswerError extends Error {
  override readonly name = 'VaultAnswerError'
  readonly fault: AnswerFault
  readonly statusCode: number

  constructor(fault: AnswerFault, statusCode: number) {
    super('the answer is none of Vault')
    this.fault = fault
    this.statusCode = statusCode
  }
}

export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

export const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

export function dateOf(value: unknown): Date | undefined {
  const date = typeof value === 'string' && value !== '' ? new Date(value) : undefined
  return date === undefined || Number.isNaN(date.getTime()) ? undefined : date
}
