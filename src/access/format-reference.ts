import type { Place } from './reference.js'

/** A reference as config would write it. */
export function formatReference({ provider, id, version, stage, field }: Place): string {
  // An id that begins like `provider://` would be read as one.
  const scheme = provider === undefined ? /^[A-Za-z][\w.+-]*(?=:\/\/)/.exec(id)?.[0] : undefined
  const path = scheme === undefined ? encode(id) : `${scheme}%3A${encode(id.slice(scheme.length + 1))}`
  const pins = [version === undefined ? '' : `version=${encode(version)}`, stage === undefined ? '' : `stage=${encode(stage)}`].filter((pin) => pin !== '')
  return `${provider === undefined ? '' : `${provider}://`}${path}${pins.length === 0 ? '' : `?${pins.join('&')}`}${field === undefined ? '' : `#${encode(field)}`}`
}

const encode = (part: string): string =>
  part
    .replace(/[%?#*&=\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => (character === '*' ? '%2A' : encodeURIComponent(character)))
    .replace(/\p{Cs}/gu, '%EF%BF%BD')
