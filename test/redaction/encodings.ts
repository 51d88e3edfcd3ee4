/** The forms in which a value may stand in a text, and values that are hard to find in them. */
import fc from 'fast-check'

const encoder = new TextEncoder()
const json = (text: string): string => JSON.stringify(text).slice(1, -1)
const unicode = (text: string): string => Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')
const percent = (text: string): string => Array.from(encoder.encode(text), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
const entity = (text: string): string => Array.from(text, (character) => `&#x${character.codePointAt(0)!.toString(16)};`).join('')
const markup = (text: string): string => text.replace(/[&<>"']/g, (character) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[character]!)

export const encodings: Readonly<Record<string, (text: string) => string>> = {
  itself: (text) => text,
  json,
  'json twice': (text) => json(json(text)),
  'json with slashes escaped': (text) => json(text).replaceAll('/', '\\/'),
  'every unit of json': unicode,
  'every unit of json, twice': (text) => json(unicode(text)),
  percent,
  'percent in upper case': (text) => percent(text).toUpperCase(),
  encodeURIComponent,
  form: (text) => new URLSearchParams({ a: text }).toString().slice(2),
  'percent in json': (text) => json(encodeURIComponent(text)),
  'json in percent': (text) => encodeURIComponent(json(text)),
  entity,
  markup,
  'markup in json': (text) => json(markup(text)),
  'percent in units of json': (text) => unicode(percent(text)),
  'entity in units of json': (text) => unicode(entity(text)),
  hex: (text) => Buffer.from(text).toString('hex'),
  'hex in upper case': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  base64: (text) => Buffer.from(text).toString('base64'),
  'base64 of one more': (text) => Buffer.from(`a${text}`).toString('base64'),
  'base64 of two more': (text) => Buffer.from(`ab${text}`).toString('base64'),
  'http basic': (text) => `Basic ${Buffer.from(`user:${text}`).toString('base64')}`,
  base64url: (text) => Buffer.from(`${text}x`).toString('base64url'),
  'base64 in json': (text) => Buffer.from(text).toString('base64').replaceAll('/', '\\/'),
  'base64 in percent': (text) => encodeURIComponent(Buffer.from(text).toString('base64')),
}

const character = fc.oneof(fc.constantFrom(...'abcXYZ019-_./+=&%"\\\'<> \n'), fc.string({ minLength: 1, maxLength: 1, unit: 'grapheme' }))
export const secretValue = fc.string({ unit: character, minLength: 8, maxLength: 40 }).filter((text) => !/\p{Cs}/u.test(text))

const latin: Readonly<Record<string, string>> = { ü: 'uuml', Ö: 'Ouml', ß: 'szlig', é: 'eacute', ñ: 'ntilde', '÷': 'divide' }
/** By the names of HTML, where there are some. */
export const entitiesOf = (text: string): string => Array.from(text, (character) => (latin[character] === undefined ? character : `&${latin[character]};`)).join('')
