import { assert, json, nat, property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseJson } from '../../src/config/json.js'
import { errorOf } from './error-of.js'

const canary = 'canary-2b77f0-value'

describe('parseJson', () => {
  it.each([
    ['nothing', '', '1:1'],
    ['a comment', `{\n  // ${canary}\n}`, '2:3'],
    ['a comma at the end', `{ "a": "${canary}",\n}`, '2:1'],
    ['a comma at the end of a list', '[1, 2, ]', '1:8'],
    ['single quotes', `{ 'a': '${canary}' }`, '1:3'],
    ['a name without quotes', `{ a: "${canary}" }`, '1:3'],
    ['a word', canary, '1:1'],
    ['a value without quotes', `{ "a":\n   ${canary} }`, '2:4'],
    ['text that does not end', `{ "a": "${canary}`, '1:8'],
    ['a break in text', `{ "a": "${canary}\n" }`, '1:8'],
    ['a missing colon', '{ "a" 5 }', '1:7'],
    ['a missing comma', '{ "a": 5\n"b": 6 }', '2:1'],
    ['the wrong bracket', '{ "a": [5} }', '1:10'],
    ['text behind', `{} ${canary}`, '1:4'],
    ['a leading zero', '[01]', '1:3'],
    ['an end too early', '{ "a": [', '1:9'],
    ['depth', '['.repeat(100_000), '1:100001'],
  ])('says where: %s', (_, text, where) => {
    const error = errorOf(() => parseJson(text, 'keyward.config.json'))
    expect(error?.cause).toBeUndefined()
    expect(error?.message).toBe(`keyward: keyward.config.json:${where} is not valid JSON; expected JSON without comments and trailing commas, names in double quotes.`)
  })

  it('takes what JSON.parse takes, and a mark of byte order', () => {
    assert(
      property(json(), (text) => {
        expect(parseJson(`\ufeff${text}`, 'x')).toEqual(JSON.parse(text))
      }),
    )
  })

  it('finds a place in whatever is cut off or garbled', () => {
    assert(
      property(json(), nat(), string(), (text, at, wrong) => {
        const broken = text.slice(0, at % (text.length + 1)) + wrong
        const theirs = errorOf(() => JSON.parse(broken) as unknown)
        const ours = errorOf(() => parseJson(broken, 'x'))
        expect(ours?.message ?? 'fine').toMatch(theirs === undefined ? /^fine$/ : /^keyward: x:\d+:\d+ is not valid JSON/)
      }),
    )
  })
})
