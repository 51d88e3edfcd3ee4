import { describe, expect, it } from 'vitest'
import { createCanary } from '../../src/testing/canary.js'

describe('a canary', () => {
  const canary = createCanary()
  const { value, foundIn } = canary
  const bytes = Buffer.from(value)

  it.each([
    ['as it is', value, 'as it is'],
    ['in JSON', JSON.stringify({ value }), 'as it is'],
    ['in a URL', encodeURIComponent(value), 'as it is'],
    ['cut', `${value.slice(0, 4)}… ${value.slice(12, 24)}`, 'as it is'],
    ['in hex', bytes.toString('hex'), 'in hex'],
    ['in upper-case hex', bytes.toString('hex').toUpperCase(), 'in hex'],
    ['in base64', bytes.toString('base64'), 'in base64'],
    ['in base64 after one byte', Buffer.from(`:${value}`).toString('base64'), 'in base64'],
    ['in base64 after two bytes', Buffer.from(`a:${value}`).toString('base64'), 'in base64'],
    ['in base64 of a URL', Buffer.from(`user:${value}`).toString('base64url'), 'in base64'],
    ['percent-encoded all over', bytes.toString('hex').replace(/../g, '%$&'), 'percent-encoded'],
  ])('is found %s', (_how, text, form) => {
    expect(foundIn(`before ${text} after`)).toBe(form)
  })

  it('is not found where it is not', () => {
    expect(foundIn(createCanary().value)).toBeUndefined()
    expect(foundIn(`the first letters alone: ${value.slice(0, 7)}`)).toBeUndefined()
  })
})
