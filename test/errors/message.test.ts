import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecrets, SecretNotFoundError, type SecretErrorCode, type SecretsOptions } from '../../src/index.js'
import { createBackend, errorOf } from '../access/backend.js'

const failing = (code: SecretErrorCode, options: Partial<SecretsOptions<string>> = {}) =>
  createSecrets<string>({ provider: { name: 'own', get: async () => Promise.reject(new Error('raw')), failure: () => ({ code }) }, retry: false, ...options })

describe('the message of a failure', () => {
  it.each<[SecretErrorCode, string]>([
    ['not-found', '`references`'],
    ['not-found', 'KEYWARD_ENV'],
    ['not-found', '`default`'],
    ['denied', "provider's identity"],
    ['unauthenticated', 'credentials'],
    ['throttled', '`cache.ttl`'],
    ['unavailable', '`cache.staleIfError`'],
    ['timeout', '`timeout`'],
  ])('of %s says how to fix it: %s', async (code, fix) => {
    const { message } = await errorOf(failing(code).getSecret('A'))
    expect(message).toMatch(/^keyward: secret "A" /)
    expect(message).toContain('(provider "own")')
    expect(message).toContain(fix)
  })

  it("names the class of what somebody else's code threw, and none of its text", async () => {
    class DatabaseDown extends Error {
      override name = 'canary'
    }
    const thrown: readonly [unknown, string][] = [
      [new TypeError('canary'), 'TypeError'],
      [new DatabaseDown('canary'), 'DatabaseDown'],
      ['canary', 'an error'],
      [Object.defineProperty(new Error('canary'), 'constructor', { get: () => expect.fail('x') }), 'an error'],
      // A client may take it from what the backend answers.
      [Object.assign(new Error('canary'), { name: 'canary' }), 'Error'],
    ]
    for (const [error, kind] of thrown) {
      const get = async (): Promise<never> => Promise.reject(error)
      const failure = () => undefined
      const byProvider = await errorOf(createSecrets<string>({ provider: { name: 'own', get, failure } }).getSecret('A'))
      expect(byProvider).toMatchObject({ code: 'unavailable', reason: 'unrecognized' })
      expect(byProvider.message).toContain(`threw ${kind}, which its`)
      const byApp = await errorOf(createSecrets<string>({ provider: createBackend().provider, authorize: get }).getSecret('A'))
      expect(byApp).toMatchObject({ code: 'denied', deniedBy: 'authorize' })
      expect(byApp.message).toContain(`\`authorize\` refused it: it threw ${kind}, whose text is withheld`)
      for (const told of [byProvider, byApp]) expect(inspect(told)).not.toContain('canary')
    }
  })

  it('takes a code that there is not for no answer of `failure`', async () => {
    const provider = { name: 'own', get: async () => Promise.reject(new Error('raw')), failure: () => ({ code: 'nope' as SecretErrorCode }) }
    expect(await errorOf(createSecrets<string>({ provider }).getSecret('A'))).toMatchObject({ code: 'unavailable', reason: 'unrecognized' })
  })

  it('has the stack of who asked, also where a part was loaded first', async () => {
    const secrets = createSecrets<string>({ provider: { name: 'own', get: async () => Promise.reject(new SecretNotFoundError({ code: 'not-found' })), failure: () => undefined } })
    async function agentCode(read: () => Promise<unknown>): Promise<unknown> {
      return await read()
    }
    const reads: readonly (() => Promise<unknown>)[] = [
      async () => await secrets.getSecret('A'),
      async () => await secrets.describeSecret('A'),
      async () => await secrets.useSecret('A', () => 1),
      async () => await secrets.getSecrets(['A']),
      async () => await secrets.watchSecret('A')[Symbol.asyncIterator]().next(),
    ]
    for (const read of reads) {
      const { stack, message } = await errorOf(agentCode(read))
      expect(stack).toContain(`SecretNotFoundError: ${message}\n    at `)
      expect(stack).toMatch(/at (?:async )?agentCode .*message\.test\.ts/)
    }
  })

  it('says for a closed root what to do', async () => {
    const secrets = failing('not-found')
    await secrets.close()
    expect((await errorOf(secrets.getSecret('A'))).message).toContain('close()')
  })

  it('says how long a pause lasts', async () => {
    const secrets = failing('throttled')
    await errorOf(secrets.getSecret('A'))
    const error = await errorOf(secrets.getSecret('A'))
    expect(error.message).toMatch(/again in \d+ ms/)
    expect(error.retryAfter).toBeGreaterThan(0)
  })

  it('says nothing of a pause that is none', async () => {
    const { provider } = createBackend()
    const failure = (): { code: 'throttled'; retryAfter: '0ms' } => ({ code: 'throttled', retryAfter: '0ms' })
    const secrets = createSecrets<string>({ provider: { ...provider, get: async () => Promise.reject(new Error('raw')), failure }, retry: false })
    expect((await errorOf(secrets.getSecret('A'))).message).not.toContain('again in')
  })

  it('says the fix of the provider in place of ours, once', async () => {
    const { provider } = createBackend()
    const secrets = createSecrets<string>({
      provider: { ...provider, get: async () => Promise.reject(new Error('raw')), failure: () => ({ code: 'unauthenticated', fix: 'Run `own login`' }) },
    })
    const { message } = await errorOf(secrets.getSecret('A'))
    expect(message.match(/Run `own login`\./g)).toHaveLength(1)
    expect(message).not.toContain('environment variables')
  })
})

describe('the message of a refusal names who was refused, why, and what would grant it', () => {
  const json = '{"a":"1"}'
  const createScope = (grant: object) => {
    const { provider } = createBackend({ doc: json, A: json }, { supports: { version: true, stage: true } })
    return createSecrets<string>({ provider, references: { P: 'doc?version=1', F: 'doc#a' } }).scope({ agent: 'researcher', tool: 'ask', allow: ['A', 'P', 'F'], ...grant })
  }
  it.each<[string, object, string, object, RegExp]>([
    ['not-granted', {}, 'B', {}, /`allow`/],
    ['denied-location', { deny: ['A'] }, 'A', {}, /`deny`/],
    ['versions', {}, 'A', { version: '2' }, /`versions\b/],
    ['pinned', { versions: true }, 'P', { version: '2' }, /reference/],
    ['pinned', {}, 'F', { field: 'b' }, /reference/],
    ['enforcement', { enforcement: 'backend' }, 'A', {}, /`enforcement\b/],
    ['expired', { expiresIn: '0ms' }, 'A', {}, /`expiresIn`/],
    ['reads-used-up', { maxReads: 0 }, 'A', {}, /`maxReads`/],
  ])('%s of %j', async (reason, grant, name, options, fix) => {
    const error = await errorOf(createScope(grant).getSecret(name as 'A', options))
    expect(error).toMatchObject({ code: 'denied', reason })
    expect(error.message).toContain(`secret "${name}"`)
    expect(error.message).toContain('agent "researcher"')
    expect(error.message).toContain('tool "ask"')
    expect(error.message).toContain(`[${reason}]`)
    expect(error.message).toMatch(fix)
    if (reason !== 'not-granted') expect(error.message).not.toContain('Add it to `allow`')
  })

  it('revoked', async () => {
    const scope = createScope({})
    await scope.revoke()
    const { message } = await errorOf(scope.getSecret('A'))
    expect(message).toContain('[revoked]')
    expect(message).not.toContain('Add it to `allow`')
  })
})

describe('the message of a mistake in the options names the option and what is expected', () => {
  const { provider } = createBackend()
  it.each<[string, object, readonly string[]]>([
    ['no provider', {}, ['provider', 'dotenv']],
    ['a misspelt option', { provider, refrences: {} }, ['refrences', 'did you mean "references"']],
    ['a misspelt provider', { provider: 'dotnev' }, ['provider', 'did you mean "dotenv"']],
    ['a misspelt kind', { provider: { name: 'memry' } }, ['provider.name', 'did you mean "memory"']],
    ['a misspelt provider option', { provider: { name: 'env', prefx: 'x' } }, ['prefx', 'did you mean "prefix"']],
    ['a bare number', { provider, timeout: 300 }, ['timeout', "'5m'"]],
    ['a bare number in the cache', { provider, cache: { ttl: 300 } }, ['cache.ttl', "'5m'"]],
    ['a misspelt time', { provider, cache: { ttll: '5m' } }, ['cache.ttll', 'did you mean "ttl"']],
    ['no entries', { provider, cache: { maxEntries: 0 } }, ['cache.maxEntries', 'at least 1']],
    ['the cache as true', { provider, cache: true }, ['cache', 'object']],
    ['no attempts', { provider, retry: { attempts: 0 } }, ['retry.attempts', 'at least 1']],
    ['a policy', { provider, secrets: { A: { cache: { ttl: 5 } } } }, ['secrets["A"].cache.ttl']],
    ['the entries in a policy', { provider, secrets: { A: { cache: { maxEntries: 5 } } } }, ['secrets["A"].cache.maxEntries']],
    ['a name', { provider, secrets: { '../A': {} } }, ['secrets["../A"]']],
    ['two of one name', { provider: [provider, provider] }, ['"own"', 'alias']],
    ['an alias of a name that is taken', { provider, providers: { own: provider } }, ['"own"']],
    ['an alias that is no name', { provider, providers: { 'a b': provider } }, ['providers["a b"]']],
    ['an empty list', { provider: [] }, ['provider']],
    ['a sink', { provider, audit: [() => {}, {}] }, ['audit[1]', 'write']],
    ['a clock', { provider, clock: {} }, ['clock', 'setTimer']],
    ['an environment', { provider, environment: '' }, ['environment']],
    ['who is asked', { provider, authorize: true }, ['authorize', 'a function']],
    ['where may be read', { provider, outsideTools: 'refuse' }, ['outsideTools', "'allow' or 'deny'"]],
    ['a provider that there is not', { provider: 'gcp' }, ['of this version', 'memory, env, dotenv, vault, aws, azure']],
  ])('%s', async (_what, options, said) => {
    const error = await errorOf(() => createSecrets<string>(options as SecretsOptions))
    expect(error.code).toBe('invalid-config')
    expect(error.message).toMatch(/^keyward: /)
    for (const text of said) expect(error.message).toContain(text)
    expect(error.message).not.toMatch(/[\n\r]/)
  })
})
