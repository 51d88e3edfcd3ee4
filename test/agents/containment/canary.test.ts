/** What the suite looks for the key with finds it in every form that docs/redaction.md promises to know, and in what a program prints of bytes. */
import { expect, it } from 'vitest'
import { canary, findCanary, seenOf } from './canary.js'

const codes = [...Buffer.from(canary)]
const hex = codes.map((code) => code.toString(16))
const numbered = hex.map((code) => `&#x${code};`).join('')
const inJson = hex.map((code) => `\\u00${code}`).join('')

it.each<[what: string, told: unknown]>([
  ['as it stands', `a${canary}b`],
  ['in upper case', { [canary.toUpperCase()]: 1 }],
  ['escapes of JSON', inJson],
  ['escapes of JSON in JSON', JSON.stringify(JSON.stringify(inJson))],
  ['escapes of JavaScript', hex.map((code) => `\\x${code}`).join('')],
  ['percent-encoded', hex.map((code) => `%${code.toUpperCase()}`).join('')],
  ['percent-encoded in a part', `${canary.slice(0, 5)}%${hex[5]}${canary.slice(6)}`],
  ['percent-encoded twice', hex.map((code) => `%25${code}`).join('')],
  ['numbers of HTML, hexadecimal', numbered],
  ['numbers of HTML, without their ends', codes.map((code) => `&#${code}`).join('')],
  ['numbers of HTML, with zeros', codes.map((code) => `&#00${code};`).join('')],
  ['HTML in HTML', numbered.replaceAll('&', '&amp;')],
  ['HTML in JSON, escaped', numbered.replaceAll('&', '\\u0026')],
  ['JSON in a URL', encodeURIComponent(inJson)],
  ['hex', `<${hex.join('')}>`],
  ['hex in upper case', hex.join('').toUpperCase()],
  ...['', 'a', 'ab'].flatMap((before): [string, unknown][] => [
    [`base64 behind ${before.length}`, Buffer.from(`${before}${canary}~~`).toString('base64')],
    [`base64url behind ${before.length}`, Buffer.from(`${before}${canary}~~`).toString('base64url')],
    [`base64 in lines, behind ${before.length}`, Buffer.from(`${before}${canary}`.repeat(3)).toString('base64').replaceAll(/.{32}/g, '$&\r\n')],
  ]),
  ['a Buffer, as it is inspected', { deep: Buffer.from(canary) }],
  ['a Buffer, as it is in JSON', JSON.stringify(Buffer.from(canary))],
])('%s', (_what, told) => {
  expect(findCanary(seenOf(told))).toBeDefined()
})

it('a part of it, and what stands for it, are none', () => {
  for (const told of [canary.slice(1), canary.slice(0, -1), '[secret KEY]', '', '%', '&#', '&#99999999;', String.raw`\u`]) expect(findCanary(seenOf(told))).toBeUndefined()
})
