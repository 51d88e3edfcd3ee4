import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { defineConfig } from '../../src/config/index.js'
import { checkConfig } from '../../src/config/schema.js'
import { errorOf } from './error-of.js'

const canary = 'canary-c4f1e7-value'
const file = 'keyward.config.ts'
const environments = { development: { provider: 'dotenv' } }

function messageOf(config: unknown, name: string | undefined = file): string {
  const error = errorOf(() => checkConfig(config, name))
  expect(error).toMatchObject({ code: 'invalid-config' })
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(canary)
  return error?.message ?? ''
}

/** One secret with this policy. */
const policy = (value: unknown): unknown => ({ secrets: { A: value }, environments })
/** One agent with this grant. */
const agent = (value: unknown): unknown => ({ agents: { researcher: value }, environments })
/** One environment with these options. */
const environment = (value: object): unknown => ({ environments: { production: { provider: 'env', ...value } } })
const json = (text: string): unknown => JSON.parse(text)

describe('a config that does not hold', () => {
  const cases: readonly (readonly [title: string, config: unknown, ...expected: string[]])[] = [
    ['text', canary, 'keyward.config.ts: the config is not a plain object'],
    ['a list', [canary], 'is not a plain object'],
    ['null', null, 'is not a plain object'],
    [
      'an instance',
      new (class Config {
        environments = environments
      })(),
      'is not a plain object',
    ],
    ['a function', () => canary, 'is a function'],
    ['a promise', Promise.resolve(canary), 'is a promise', 'await it first'],
    ['an unknown key', { environments, agnets: { a: canary } }, 'keyward.config.ts: agnets is not an option', 'did you mean "agents"?'],
    ['__proto__ in JSON', json(`{"environments":{"a":{"provider":"env"}},"__proto__":{"environment":"${canary}"}}`), '__proto__ is not an option'],
    ['constructor in JSON', json(`{"environments":{"a":{"provider":"env"}},"constructor":{"prototype":"${canary}"}}`), 'constructor is not an option'],
    ['an option of an environment at the top', { environments, references: { A: canary } }, 'references belongs to an environment'],
    ['no environments', {}, 'environments is missing'],
    ['only inherited environments', Object.create(Object.create({ environments }) as object), 'is not a plain object'],
    ['environments that are empty', { environments: {} }, 'environments is empty'],
    ['environments as text', { environments: canary }, 'keyward.config.ts: environments is not a plain object'],
    ['an environment of no type', { environments, environment: { name: canary } }, 'keyward.config.ts: environment is not a string'],
    ['an environment with an invisible name', { environments: { 'prod\u202e': { provider: 'env' } } }, 'environments["prod?"]', 'control character'],
    ['an environment without a name', { environments: { '': { provider: 'env' } } }, 'environments[""] is empty'],
    ['an environment as text', { environments: { production: canary } }, 'environments.production is not a plain object'],

    ['secrets as a list', { secrets: [canary], environments }, 'secrets is not a plain object'],
    ['a value where a policy stands', policy(canary), 'keyward.config.ts: secrets["A"] is not a plain object'],
    ['a pattern with a policy', { secrets: { 'search/*': {} }, environments }, 'secrets["search/*"] is a pattern'],
    ['a secret with a bad name', { secrets: { 'a/../b': {} }, environments }, 'secrets["a/../b"]'],
    ['a misspelt policy key', policy({ orgins: [canary] }), 'secrets["A"].orgins is not an option', 'did you mean "origins"?'],
    ['a value in a policy', policy({ value: canary }), 'secrets["A"].value is not an option'],
    ['a description of no type', policy({ description: [canary] }), 'description is not a string'],
    ['origins as text', policy({ origins: `https://${canary}` }), 'origins is not a list'],
    ['an origin with a path', policy({ origins: ['https://ok.example', `https://api.example/${canary}`] }), 'secrets["A"].origins[1] is not an exact origin'],
    ['an origin with a slash', policy({ origins: ['https://api.example/'] }), 'not an exact origin'],
    ['an origin with a password', policy({ origins: [`https://user:${canary}@api.example`] }), 'not an exact origin'],
    ['an origin with a wildcard', policy({ origins: ['https://*.example.com'] }), 'not an exact origin'],
    ['an origin with the usual port', policy({ origins: ['https://api.example:443'] }), 'not an exact origin'],
    ['an origin in capitals', policy({ origins: ['https://API.example'] }), 'not an exact origin'],
    ['an origin that is no URL', policy({ origins: [canary] }), 'not an exact origin'],
    ['null as an origin', policy({ origins: ['null'] }), 'not an exact origin'],
    ['an opaque origin', policy({ origins: [`data:${canary}`] }), 'not an exact origin'],
    ['http beyond this machine', policy({ origins: ['http://api.example'] }), 'unencrypted'],
    ['http to a name that begins like loopback', policy({ origins: ['http://127.0.0.1.example'] }), 'unencrypted'],
    ['another scheme', policy({ origins: ['ftp://api.example'] }), 'unencrypted'],
    ['a method in small letters', policy({ methods: ['get'] }), 'methods[0] is not an HTTP method'],
    ['a path without a slash', policy({ paths: [canary] }), 'paths[0] is not the path of a URL'],
    ['a path with a query', policy({ paths: [`/v1?key=${canary}`] }), 'not the path of a URL'],
    ['a path that climbs', policy({ paths: ['/v1/%2E./x'] }), 'not the path of a URL'],
    ['a path with * inside', policy({ paths: ['/v*/x'] }), 'not the path of a URL'],
    ['a path with * behind half a segment', policy({ paths: ['/v1/charges*'] }), 'not the path of a URL'],
    ['a path with an empty segment', policy({ paths: ['/v1//charges'] }), 'not the path of a URL'],
    ['an injection as text', policy({ inject: canary }), 'inject is not a plain object'],
    ['an injection nowhere', policy({ inject: {} }), 'inject does not say where'],
    ['an injection at two places', policy({ inject: { header: 'a', query: canary } }), 'more than one place (header, query)'],
    ['a prefix for a query', policy({ inject: { query: 'key', prefix: canary } }), 'inject.prefix belongs to a header'],
    ['a header with a break', policy({ inject: { header: `x\r\n${canary}` } }), 'inject.header is not the name of a header'],
    ['a prefix with a break', policy({ inject: { header: 'x', prefix: `\r\n${canary}` } }), 'inject.prefix holds a control character'],
    ['basic without a name', policy({ inject: { basic: {} } }), 'inject.basic.username is missing'],
    ['basic with a password', policy({ inject: { basic: { username: 'a', password: canary } } }), 'inject.basic.password is not an option'],
    ['a colon in a name', policy({ inject: { basic: { username: `a:${canary}` } } }), 'holds a colon'],
    ['a rotation without a unit', policy({ rotateEvery: 90 }), 'secrets["A"].rotateEvery is a bare number'],
    ['a policy of caching that is true', policy({ cache: true }), 'secrets["A"].cache is not a plain object'],
    ['a time of no kind', policy({ cache: { ttl: canary } }), 'secrets["A"].cache.ttl is not a duration'],
    ['a bound of one secret', policy({ cache: { maxEntries: 3 } }), 'cache.maxEntries is not part of a policy'],

    ['agents as text', { agents: canary, environments }, 'agents is not a plain object'],
    ['an agent without a name', { agents: { '': { allow: [] } }, environments }, 'agents[""] is empty'],
    ['an agent with a break in its name', { agents: { 'a\nb': { allow: [] } }, environments }, 'agents["a?b"]'],
    ['an agent with a long name', { agents: { ['a'.repeat(513)]: { allow: [] } }, environments }, 'at most 512 characters'],
    ['a list for a grant', agent([canary]), 'keyward.config.ts: agents.researcher is not a plain object'],
    ['a grant without allow', agent({}), 'agents.researcher.allow is not a list'],
    ['a grant that names its agent', agent({ agent: canary, allow: [] }), 'agents.researcher.agent is not part of a grant here'],
    ['a misspelt grant key', agent({ alow: [canary] }), 'agents.researcher.alow is not an option', 'did you mean "allow"?'],
    ['allow as text', agent({ allow: canary }), 'agents.researcher.allow is not a list'],
    ['a * inside', agent({ allow: ['*', `${canary}*x`] }), 'agents.researcher.allow[1]'],
    ['a number in deny', agent({ allow: [], deny: [5] }), 'agents.researcher.deny[0] is not a string'],
    ['an end without a unit', agent({ allow: [], expiresIn: 300 }), 'agents.researcher.expiresIn is a bare number'],
    ['half a read', agent({ allow: [], maxReads: 0.5 }), 'agents.researcher.maxReads'],
    ['enforcement of no kind', agent({ allow: [], enforcement: canary }), 'agents.researcher.enforcement'],
    ['versions as text', agent({ allow: [], versions: canary }), 'agents.researcher.versions is not a boolean'],
    ['a label of no type', agent({ allow: [], labels: { run: [canary] } }), 'agents.researcher.labels["run"] is not a string'],
    [
      'a name that is not declared',
      { secrets: { OPENAI_API_KEY: {} }, agents: { a: { allow: ['OPENAI_API_KYE'] } }, environments },
      'agents.a.allow[0] is a name that `secrets` does not declare',
      'did you mean "OPENAI_API_KEY"?',
    ],
    ['a value for a name', { secrets: { A: {} }, agents: { a: { allow: [canary] } }, environments }, 'agents.a.allow[0]', 'expected A, or a pattern'],
    ['a denied name that is not declared', { secrets: { A: {} }, agents: { a: { allow: ['*'], deny: [canary] } }, environments }, 'agents.a.deny[0]'],
    ['a name of Object.prototype', { secrets: { A: {} }, agents: { a: { allow: ['constructor'] } }, environments }, 'agents.a.allow[0] is a name'],

    ['no provider', { environments: { production: {} } }, 'environments.production.provider is missing', 'vault'],
    [
      'an unknown kind',
      environment({ provider: 'dotnev' }),
      'environments.production.provider is not a kind of provider',
      'did you mean "dotenv"?',
      'memory, env, dotenv, vault, aws, azure',
    ],
    ['a kind of Object.prototype', environment({ provider: 'toString' }), 'is not a kind of provider'],
    ['a value for a kind', environment({ provider: { name: canary } }), 'environments.production.provider.name is not a kind'],
    ['a provider without a name', environment({ provider: { token: canary } }), 'provider.name is missing'],
    [
      'a misspelt provider option',
      environment({ provider: { name: 'aws', regoin: canary } }),
      'environments.production.provider.regoin is not an option',
      'did you mean "region"?',
    ],
    ['an option of another provider', environment({ provider: ['env', { name: 'dotenv', token: canary }] }), 'environments.production.provider[1].token is not an option'],
    ['no provider in a list', environment({ provider: [] }), 'provider is an empty list'],
    ['a number in a list', environment({ provider: ['env', 5] }), 'provider[1] is not a provider'],
    ['a misspelt kind under providers', environment({ providers: { shared: 'valt' } }), 'environments.production.providers.shared is not a kind', 'did you mean "vault"?'],
    ['a reference of no type', environment({ references: { A: [canary] } }), 'environments.production.references["A"] is not a string'],
    ['a reference that is none', environment({ references: { A: `a#b#${canary}` } }), 'environments.production.references["A"] has more than one'],
    [
      'a reference for a name that is not declared',
      { secrets: { STRIPE_KEY: {} }, environments: { production: { provider: 'env', references: { STRIPE_KYE: canary } } } },
      'environments.production.references["STRIPE_KYE"]',
      'did you mean "STRIPE_KEY"?',
    ],
    ['a misspelt option', environment({ timout: canary }), 'environments.production.timout is not an option', 'did you mean "timeout"?'],
    ['a timeout without a unit', environment({ timeout: 300 }), 'environments.production.timeout is a bare number'],
    ['a cache time without a unit', environment({ cache: { ttl: canary } }), 'environments.production.cache.ttl is not a duration'],
    ['a misspelt cache option', environment({ cache: { tll: '5m' } }), 'environments.production.cache.tll is not an option', 'did you mean "ttl"?'],
    ['a cache that is true', environment({ cache: true }), 'environments.production.cache is not a plain object'],
    ['no attempt', environment({ retry: { attempts: 0 } }), 'environments.production.retry.attempts'],
    ['a sink that is none', environment({ audit: [() => undefined, canary] }), 'environments.production.audit[1] is not an audit sink'],
    ['secrets in an environment', environment({ secrets: { A: canary } }), 'environments.production.secrets belongs to all environments'],
    ['a clock', environment({ clock: {} }), 'environments.production.clock is not part of a config'],
    ['an authorize that is no function', environment({ authorize: canary }), 'environments.production.authorize is not a function'],
    ['an outsideTools that is none', environment({ outsideTools: canary }), "environments.production.outsideTools is not understood; expected 'allow' or 'deny'"],
    ['the second environment', { environments: { development: { provider: 'env' }, 'eu west': { provider: 'env', timeout: canary } } }, 'environments["eu west"].timeout'],
  ]
  it.each(cases)('%s', (_, config, ...expected) => {
    const message = messageOf(config)
    expect(message).toMatch(/^keyward: keyward\.config\.ts: /)
    for (const part of expected) expect(message).toContain(part)
  })

  it('is called config where the app passed it', () => {
    expect(messageOf({ environments, agnets: {} }, undefined)).toContain('keyward: keyward.config.ts')
    expect(() => checkConfig({ environments, agnets: {} }, undefined)).toThrow('keyward: config: agnets is not an option')
    expect(() => checkConfig(5, undefined)).toThrow('keyward: config is not a plain object')
  })

  it('lists twenty names at most', () => {
    const secrets = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`NAME_${index}`, {}]))
    expect(messageOf({ secrets, agents: { a: { allow: ['other'] } }, environments })).toMatch(/NAME_19 and 10 more/)
  })
})

describe('a config that holds', () => {
  const provider = { name: 'own', get: async () => ({ value: '' }), failure: () => undefined }
  const sink = { write: () => undefined }
  const full = () => ({
    secrets: {
      A: {
        description: 'for search',
        origins: ['https://api.example', 'https://api.example:8443', 'http://localhost:3000', 'http://127.0.0.1', 'http://[::1]:1'],
        methods: ['GET', 'M-SEARCH'],
        paths: ['/', '/v1/*'],
        inject: { header: 'authorization', prefix: 'Bearer ' },
        rotateEvery: '90d',
        cache: { ttl: '1m' },
      },
      B: { inject: { query: 'key' }, cache: false },
      'c/d': { inject: { basic: { username: '' } } },
      constructor: {},
    },
    agents: {
      researcher: { allow: ['A', 'c/*', 'constructor'], deny: ['B'], versions: true, expiresIn: '1h', maxReads: 3, enforcement: 'backend', labels: { team: 'x' }, tool: 't' },
      'on call': { allow: [] },
    },
    environments: {
      development: { provider: ['dotenv', { name: 'memory', secrets: { A: 'x' } }, provider], audit: sink },
      production: {
        provider: () => provider,
        providers: { shared: { name: 'vault', address: 'https://vault' } },
        references: { A: 'prod/a#key', '*': 'prod/*', 'zzz*': 'shared://kv/*' },
        cache: { ttl: '1m', staleWhileRevalidate: '1s', staleIfError: '0ms', negativeTtl: '1s', maxEntries: 5 },
        timeout: '5s',
        retry: { attempts: 1 },
        audit: [sink, () => undefined],
      },
      off: { provider: 'env', cache: false, retry: false, timeout: undefined },
    },
    environment: undefined,
  })

  it('comes back as it was', () => {
    const config = full()
    const checked = checkConfig(config, file)
    expect(JSON.parse(JSON.stringify(checked))).toEqual({ origin: file, ...(JSON.parse(JSON.stringify(config)) as object) })
    expect(checked.environments['off']).not.toHaveProperty('timeout')
    expect((checked.environments['development']!.provider as unknown[])[2]).toBe(provider)
    expect(checked.environments['development']?.audit).toBe(sink)
  })

  it('is a copy, whatever becomes of the original', () => {
    const config = full()
    const checked = checkConfig(config, file)
    const before = JSON.stringify(checked)
    config.agents.researcher.allow.push('*')
    config.agents.researcher.labels.team = 'y'
    config.secrets.A.origins.push('https://elsewhere.example')
    config.secrets.A.inject.header = 'x'
    Object.assign(config.environments.production, { provider: 'env', timeout: '1s' })
    ;(config.environments.development.provider[1] as { secrets: Record<string, string> }).secrets['A'] = 'y'
    config.environments.production.references.A = 'elsewhere'
    config.environments.production.audit.pop()
    expect(JSON.stringify(checked)).toBe(before)
    expect(() => Object.assign(checked.agents!['researcher']!.allow, ['*'])).toThrow(TypeError)
    expect(() => Object.assign(checked.environments, { other: {} })).toThrow(TypeError)
  })

  it('reads each option once, so that a getter cannot change after the check', () => {
    let reads = 0
    const grant = {
      get allow() {
        return reads++ === 0 ? ['A'] : ['*']
      },
    }
    expect(checkConfig({ agents: { a: grant }, environments }, file).agents?.['a']?.allow).toEqual(['A'])
  })

  it('keeps names of Object.prototype as names', () => {
    const checked = checkConfig(
      json('{"secrets":{"__proto__":{},"toString":{}},"agents":{"__proto__":{"allow":["toString"]}},"environments":{"constructor":{"provider":"env"}}}'),
      file,
    )
    expect(Object.keys(checked.secrets!)).toEqual(['__proto__', 'toString'])
    expect(checked.agents!['__proto__']!.allow).toEqual(['toString'])
    expect(checked.environments['hasOwnProperty']).toBeUndefined()
    expect(checked.environments['constructor']?.provider).toBe('env')
    expect(({} as { allow?: unknown }).allow).toBeUndefined()
  })

  it('takes nothing from a polluted Object.prototype', () => {
    const polluted = Object.prototype as { cache?: unknown; versions?: unknown }
    try {
      polluted.cache = false
      polluted.versions = true
      const checked = checkConfig({ agents: { a: { allow: [] } }, environments }, file)
      expect(checked.environments['development']?.cache).toBeUndefined()
      expect(checked.agents?.['a']?.versions).toBeUndefined()
    } finally {
      delete polluted.cache
      delete polluted.versions
    }
  })

  it('takes provider options that contain themselves', () => {
    const secrets: Record<string, unknown> = {}
    secrets['self'] = secrets
    const checked = checkConfig(environment({ provider: { name: 'memory', secrets } }), file)
    const copy = (checked.environments['production']!.provider as { secrets: Record<string, unknown> }).secrets
    expect(copy['self']).toBe(copy)
    expect(copy).not.toBe(secrets)
  })

  it('may grant any name where it does not say which there are', () => {
    expect(checkConfig(agent({ allow: ['ANYTHING'] }), file).agents?.['researcher']?.allow).toEqual(['ANYTHING'])
  })
})

describe('defineConfig', () => {
  it('returns what it was given', () => {
    const config = { environments: { development: { provider: 'dotenv' } } } as const
    expect(defineConfig(config)).toBe(config)
  })

  it('holds names against `secrets` when it compiles', () => {
    const config = defineConfig({
      secrets: { A: {}, 'search/google': {} },
      agents: { a: { allow: ['A', 'search/*'] } },
      environments: { production: { provider: 'env', references: { A: 'x', 'search/*': 'y/*' } } },
    })
    const allow: readonly ['A', 'search/*'] = config.agents.a.allow
    expect(allow).toHaveLength(2)
    // @ts-expect-error an agent granted a name that is not there
    expect(defineConfig({ secrets: { A: {} }, agents: { a: { allow: ['B'] } }, environments: { production: { provider: 'env' } } })).toBeDefined()
    // @ts-expect-error a reference for a name that is not there
    expect(defineConfig({ secrets: { A: {} }, environments: { production: { provider: 'env', references: { B: 'x' } } } })).toBeDefined()
    // @ts-expect-error the agent is the key
    expect(defineConfig({ agents: { a: { agent: 'a', allow: ['B'] } }, environments: { production: { provider: 'env' } } })).toBeDefined()
  })
})
