/** What of a caller's headers goes out. */
import type { Carrier } from '../seam.js'
import { OwnHeaders } from './globals.js'
import { hyphenated, isCredential, isHost, isMethod, isStripped, placeholder } from './names.js'
import type { Placement } from './policy.js'
import { refusal } from './refusal.js'
import { withoutCredentials } from './target.js'

/**
 * A copy without what is ours to say, and without whatever carries the placeholder.
 * @throws SecretError `denied` for credentials of the caller's own, another host, or another method.
 */
export function cleanHeaders(carrier: Carrier, given: Iterable<readonly [string, string]>, inject: Placement): Headers {
  const injected = 'header' in inject ? hyphenated(inject.header) : undefined
  const kept = new OwnHeaders()
  for (const [name, value] of given) {
    if (carriesPlaceholder(value) || isStripped(name)) continue
    if (isCredential(name) || hyphenated(name) === injected) throw refusal(carrier, 'credentials', `the request has a header "${name}" of its own`, withoutCredentials)
    if (isHost(name)) throw refusal(carrier, 'host', `the header "${name}" names another host or path`, 'Leave it out: the host is that of the URL')
    if (isMethod(name)) throw refusal(carrier, 'method', `the header "${name}" stands for another method`, 'Send the request with the method that is meant')
    kept.append(name, value)
  }
  if (!kept.has('accept')) kept.set('accept', '*/*')
  // Some servers refuse a request without one.
  if (!kept.has('user-agent')) kept.set('user-agent', 'keyward')
  return kept
}

/** In basic credentials too. */
function carriesPlaceholder(value: string): boolean {
  if (value.includes(placeholder)) return true
  const [, encoded] = /^basic +([\w+/=-]+)$/i.exec(value) ?? []
  return encoded !== undefined && Buffer.from(encoded, 'base64').includes(placeholder)
}
