import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/config/schema.js'
import { selectEnvironment } from '../../src/config/select-environment.js'
import { errorOf } from './error-of.js'

const canary = 'canary-8d02aa-value'
const of = (names: readonly string[], environment?: string) =>
  checkConfig({ environments: Object.fromEntries(names.map((name) => [name, { provider: 'env' }])), environment }, 'keyward.config.ts')
const both = ['development', 'production']

describe('selectEnvironment', () => {
  it.each([
    ['the call', of(both, 'production'), 'development', 'production', 'development'],
    ['KEYWARD_ENV', of(both, 'development'), undefined, 'production', 'production'],
    ['the config, where KEYWARD_ENV is empty', of(both, 'production'), undefined, '', 'production'],
    ['the config', of(both, 'production'), undefined, undefined, 'production'],
    ['the only one', of(['staging']), undefined, undefined, 'staging'],
    ['the only one, where the config says nothing', of(['staging'], ''), undefined, '', 'staging'],
  ] as const)('takes %s', (_, config, option, variable, expected) => {
    expect(selectEnvironment(config, option, variable)).toBe(expected)
  })

  it('guesses nothing', () => {
    expect(() => selectEnvironment(of(both), undefined, undefined)).toThrow(
      'keyward: keyward.config.ts: environments has more than one and nothing says which; expected one of development, production, in KEYWARD_ENV',
    )
  })

  it.each([
    ['the `environment` option', of(both), 'prodution', undefined],
    ['KEYWARD_ENV', of(both), undefined, 'prodution'],
    ['`environment` of the config', of(both, 'prodution'), undefined, undefined],
  ] as const)('says that %s names none', (source, config, option, variable) => {
    expect(() => selectEnvironment(config, option, variable)).toThrow(
      `environments has none of the name that ${source} says; did you mean "production"? Expected one of development, production`,
    )
  })

  it('does not fall back to the only one', () => {
    expect(() => selectEnvironment(of(['production']), undefined, 'test')).toThrow('expected production')
  })

  it.each([canary, '__proto__', 'constructor', `development\u001b[2J`])('quotes nothing and finds nothing inherited: %s', (variable) => {
    const message = errorOf(() => selectEnvironment(of(both), undefined, variable))?.message
    expect(message).toContain('KEYWARD_ENV')
    expect(message).not.toContain(variable)
  })
})
