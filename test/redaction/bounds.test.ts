/** What strangers may have cleaned is bounded: data that is made as it is read, and text that repeats a value's beginning. */
import { runInNewContext } from 'node:vm'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecrets } from '../../src/index.js'
import { conceal, redactText, redactValue } from '../../src/redaction/index.js'

const key = 'sk-live-4f9d2b7a81c6'
const secrets = createSecrets<string>({ provider: 'memory' })
conceal(secrets, key, 'KEY')
const clean = (value: unknown): unknown => redactValue(secrets, value)

describe('data without end is left out from some point on', () => {
  class Branching {
    toJSON(): unknown {
      return { left: new Branching(), right: new Branching() }
    }
  }
  const branching = (): object => ({
    get left() {
      return branching()
    },
    get right() {
      return branching()
    },
  })
  const proxied = (): object =>
    new Proxy({}, { ownKeys: () => ['left', 'right'], get: () => proxied(), getOwnPropertyDescriptor: () => ({ value: proxied(), enumerable: true, configurable: true }) })
  class Endless extends Map<unknown, unknown> {
    override *entries(): MapIterator<[unknown, unknown]> {
      for (;;) yield [{}, {}]
    }
    override [Symbol.iterator](): MapIterator<[unknown, unknown]> {
      return this.entries()
    }
  }

  it.each([
    ['forms that make others', () => new Branching()],
    ['getters', branching],
    ['a proxy', proxied],
    ['a map that yields for ever', () => new Endless([[key, key]])],
  ])('%s', { timeout: 120_000 }, (_, make) => {
    expect(inspect(clean({ first: key, then: make() }), { depth: 3 })).not.toContain(key)
  })

  it('what many share is compared once', { timeout: 20_000 }, () => {
    const shared = Array.from({ length: 5_000 }, (_, number) => ({ number }))
    class Entity {
      readonly related = shared
    }
    // Each entity by itself took a minute for all of them.
    expect(clean(Array.from({ length: 2_000 }, () => new Entity()))).toHaveLength(2_000)
  })
})

it('backslashes that a value has too cost no more than a little each', { timeout: 30_000 }, () => {
  conceal(secrets, `a${'\\'.repeat(30)}bcdefgh`, 'PATH')
  // It was a minute.
  expect(redactText(secrets, '\\'.repeat(4_096))).toHaveLength(4_096)
})

it.each(['new Map([["a", KEY]])', 'new Set([KEY])', 'new Error(KEY)', '({ a: KEY })', '[KEY]', 'new Date(0)', 'Object.assign(new Date(0), { KEY })', '/a/'])(
  'what another realm made is cleaned: %s',
  (source) => {
    const made: unknown = runInNewContext(source, { KEY: key })
    const cleaned = clean({ made })
    expect(inspect(cleaned, { showHidden: true, depth: 4 })).not.toContain(key)
    expect(JSON.stringify(cleaned)).not.toContain(key)
    if (source.includes('Error')) expect(inspect(cleaned)).toContain('[secret KEY]')
  },
)

it('shared memory is cleaned', () => {
  const shared = new SharedArrayBuffer(64)
  new Uint8Array(shared).set(new TextEncoder().encode(key))
  expect(clean({ shared })).toEqual({ shared: '[secret]' })
})

it('the password of a URL is found whatever stands behind it', () => {
  for (const url of [
    'smtp://mailer:longpassword1@smtp.host:587/?from=me@example.com',
    'postgres://app:longpassword1@db/app?application_name=me@host',
    'mongodb://app:long@password1@db/app',
    'redis://:longpassword1@cache:6379',
  ])
    conceal(secrets, url, 'URL')
  expect(redactText(secrets, 'failed for longpassword1 and long@password1')).toBe('failed for [secret URL] and [secret URL]')
})
