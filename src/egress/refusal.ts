/** What a fetch says when it does not happen: fixed texts with the origin at most, and nothing that was sent or answered. */
import { createError } from '../errors/secret-error.js'
import type { Carrier } from '../seam.js'

/** Why a fetch was refused, as the error's `reason`. */
export type RefusalReason = Unread | 'redirect' | 'partial' | 'coding' | 'charset'

/** Those that come before the secret is read. */
const unread = ['request', 'url', 'origin', 'method', 'path', 'host', 'credentials', 'private-address'] as const
type Unread = (typeof unread)[number]
export const isUnread = (reason: string | undefined): reason is Unread => unread.some((one) => one === reason)

/** @param what Ends no sentence. */
export function refusal(carrier: Carrier, reason: RefusalReason, what: string, fix: string): Error {
  const { reader } = carrier
  return createError({ code: 'denied', reason, fix }, { ...reader, deniedBy: 'scope', message: `${subject(carrier)} was refused [${reason}]: ${what}. ${fix}.` })
}

/** Codes of zlib, Brotli and Zstandard. */
const ofDecoders = /^(?:Z_|ERR__ERROR_|ERR_BROTLI|ZSTD_)/

/** @param code Of the system, the protocol or the decoder; what is none is left out. */
export function failure(carrier: Carrier, origin: string, code: unknown): Error {
  const reason = typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : undefined
  const fix =
    reason !== undefined && ofDecoders.test(reason)
      ? `Check what ${origin} answers: its body is not in the coding that it names`
      : `Check that ${origin} can be reached from here, and that its certificate is valid`
  const message = `${subject(carrier)} to ${origin} failed${reason === undefined ? '' : ` [${reason}]`}. ${fix}.`
  return createError({ code: 'unavailable', ...(reason === undefined ? {} : { reason }), fix }, { ...carrier.reader, message })
}

/** The secret is not what can be sent in the place that `inject` names. */
export function unsendable(carrier: Carrier, reason: string, what: string, fix: string): Error {
  return createError({ code: 'invalid-value', reason, fix }, { ...carrier.reader, message: `${subject(carrier)} could not be sent [${reason}]: ${what}. ${fix}.` })
}

function subject({ reader: { secret, agent, tool } }: Carrier): string {
  const who = agent === undefined ? '' : ` of agent "${agent}"`
  return `keyward: a fetch with secret "${secret}"${who}${tool === undefined ? '' : `${who === '' ? ' of' : ','} tool "${tool}"`}`
}
