import { expectTypeOf, test } from 'vitest'
import { createSecrets, type Duration, type JsonValue, type Redacted, type Scope, type SecretOutcome, type Secrets } from '../../src/index.js'

const secrets = createSecrets<'A' | 'B' | 'search/google'>({ provider: 'env' })

test('what a read gives follows from its options', () => {
  expectTypeOf(secrets.getSecret('A')).resolves.toBeString()
  expectTypeOf(secrets.getSecret('A', { as: 'text' })).resolves.toBeString()
  expectTypeOf(secrets.getSecret('A', { as: 'json' })).resolves.toEqualTypeOf<JsonValue>()
  expectTypeOf(secrets.getSecret('A', { as: 'bytes' })).resolves.toEqualTypeOf<Uint8Array>()
  expectTypeOf(secrets.getSecret('A', { as: 'redacted' })).resolves.toEqualTypeOf<Redacted>()
  expectTypeOf(secrets.getSecret('A', { default: 5, maxAge: '1m' })).resolves.toEqualTypeOf<string | 5>()
  expectTypeOf(secrets.getSecrets(['A', 'B'])).resolves.toEqualTypeOf<{ A: string; B: string }>()
  expectTypeOf(secrets.getSecrets(['A'], { partial: true })).resolves.toEqualTypeOf<{ A: SecretOutcome }>()
  expectTypeOf(secrets.useSecret('A', (value, { version }) => [value, version] as const)).resolves.toEqualTypeOf<readonly [string, string | undefined]>()
  expectTypeOf(secrets.useSecret('A', (value) => value.length, { isRejected: (error) => error === 1 })).resolves.toBeNumber()
})

test('a scope has the names that both it and its view grant', () => {
  const scope = secrets.scope({ allow: ['A', 'search/*', 'elsewhere'] })
  expectTypeOf(scope).toExtend<Secrets<'A' | 'search/google'>>()
  expectTypeOf<Parameters<typeof scope.getSecret>[0]>().toEqualTypeOf<'A' | 'search/google'>()
  expectTypeOf<Parameters<ReturnType<typeof scope.scope<'A' | 'B'>>['getSecret']>[0]>().toEqualTypeOf<'A'>()
  expectTypeOf<Scope<'A'>>().not.toExtend<Secrets<'A' | 'B'>>()
  expectTypeOf<Scope>().not.toHaveProperty('close')
})

test('a duration has a unit', () => {
  expectTypeOf<'5m'>().toExtend<Duration>()
  expectTypeOf<'5 minutes'>().not.toExtend<Duration>()
  expectTypeOf<number>().not.toExtend<Duration>()
})
