/** What both versions of the SDK hand a handler beside its request: copies of what is data, and ways to the client that clean what goes through them. */
import { copyOf } from '../copy.js'
import { cleanFunction, cleanMethods } from '../exits.js'
import type { GuardedCall } from '../guarded-call.js'
import { withBound } from '../shape.js'
import { cleanMessage, type OwnNumbers } from './message.js'

type Values = Record<string, unknown>
type Run = (...values: unknown[]) => unknown

const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null
const isFunction = (value: unknown): value is Run => typeof value === 'function'

/** Members that send a message: their first value is one, and the rest says how to send it. */
const senders = new Set(['sendNotification', 'sendRequest', 'send', 'notify', 'elicitInput', 'requestSampling'])
/** Those that make one of all that they are called with. */
const tellers = new Set(['log'])

export function cleanContext(call: GuardedCall, context: unknown, own: OwnNumbers): unknown {
  if (!isObject(context)) return context
  const clean: Values = {}
  for (const [key, value] of Object.entries(context))
    clean[key] = key === 'http' ? cleanHttp(value) : key === 'mcpReq' ? cleanContext(call, value, own) : member(call, key, value, own)
  return clean
}

function member(call: GuardedCall, key: string, value: unknown, own: OwnNumbers): unknown {
  if (isFunction(value) && senders.has(key)) return (message: unknown, ...how: unknown[]) => value(cleanMessage(call, message, own), ...how)
  if (isFunction(value) && tellers.has(key)) return cleanFunction(call, value)
  // Keeps tasks, for whoever asks for them later.
  if (key === 'taskStore' && isObject(value)) return cleanMethods(call, value)
  return copied(value)
}

/** Of v2: the same request, with headers that nobody else reads. */
function cleanHttp(http: unknown): unknown {
  if (!isObject(http)) return http
  const clean: Values = {}
  for (const [key, value] of Object.entries(http))
    clean[key] = key === 'req' && value instanceof Request ? withBound(value, { headers: new Headers(value.headers) }) : copied(value)
  return clean
}

/** A copy in which addresses, which can be written to, are copies too. */
function copied(value: unknown): unknown {
  const copy = copyOf(value)
  if (isObject(copy) && copy !== value) for (const [key, one] of Object.entries(copy)) if (one instanceof URL) copy[key] = new URL(one)
  return copy
}
