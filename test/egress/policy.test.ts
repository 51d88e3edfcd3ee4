import { describe, expect, it } from 'vitest'
import { scopedFetch, type ScopedFetchOptions } from '../../src/agents/index.js'
import { createSecrets, loadSecrets, type SecretPolicy } from '../../src/index.js'
import { errorOf } from '../access/backend.js'
import { callTool } from '../agents/call-tool.js'
import { key, serve } from './serve.js'

const origin = 'https://api.example.com'
const other = 'https://other.example.com'
const rootWith = (policy?: SecretPolicy) =>
  createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } }, ...(policy === undefined ? {} : { secrets: { KEY: policy } }) })

function make(policy: SecretPolicy | undefined, options: ScopedFetchOptions): typeof fetch {
  return scopedFetch('KEY', { secrets: rootWith(policy), ...options })
}

describe('options narrow what the config says', () => {
  it.each<[string, SecretPolicy | undefined, ScopedFetchOptions]>([
    ['the same origins', { origins: [origin, other] }, { origins: [origin, other] }],
    ['one of the origins', { origins: [origin, other] }, { origins: [other] }],
    ['the origins of the config', { origins: [origin] }, {}],
    ['origins that the config says nothing of', {}, { origins: [origin] }],
    ['a secret that the config does not know', undefined, { origins: [origin], methods: ['POST'], paths: ['/v1/*'], inject: { query: 'key' } }],
    ['one of the methods', { origins: [origin], methods: ['GET', 'POST'] }, { methods: ['POST'] }],
    ['methods that the config says nothing of', { origins: [origin] }, { methods: ['DELETE'] }],
    ['a path below a pattern', { origins: [origin], paths: ['/v1/*'] }, { paths: ['/v1/charges', '/v1/refunds/*', '/v1/*'] }],
    ['the same place, otherwise spelt', { origins: [origin], inject: { header: 'Authorization', prefix: 'Bearer ' } }, { inject: { header: 'authorization', prefix: 'Bearer ' } }],
    ['the same place without a prefix', { origins: [origin], inject: { header: 'x-api-key' } }, { inject: { header: 'x-api-key', prefix: '' } }],
    ['the same parameter', { origins: [origin], inject: { query: 'key' } }, { inject: { query: 'key' } }],
    ['the same user', { origins: [origin], inject: { basic: { username: 'api' } } }, { inject: { basic: { username: 'api' } } }],
  ])('%s', (_what, policy, options) => {
    expect(make(policy, options)).toBeTypeOf('function')
  })

  it.each<[string, SecretPolicy | undefined, ScopedFetchOptions, string]>([
    ['no origins at all', undefined, {}, 'options.origins is missing'],
    ['none in the config either', { methods: ['GET'] }, { methods: ['GET'] }, 'options.origins is missing'],
    ['an empty list', { origins: [origin] }, { origins: [] }, 'options.origins is empty'],
    ['an empty list in the config', { origins: [] }, {}, 'secrets["KEY"].origins is empty'],
    ['no methods', { origins: [origin] }, { methods: [] }, 'options.methods is empty'],
    ['no paths', { origins: [origin] }, { paths: [] }, 'options.paths is empty'],
    ['another origin', { origins: [origin] }, { origins: [origin, other] }, 'options.origins[1] is not granted by the config'],
    ['another method', { origins: [origin], methods: ['GET'] }, { methods: ['POST'] }, 'options.methods[0] is not granted'],
    ['another path', { origins: [origin], paths: ['/v1/charges'] }, { paths: ['/v1/refunds'] }, 'options.paths[0] is not granted'],
    ['a wider path', { origins: [origin], paths: ['/v1/charges'] }, { paths: ['/v1/*'] }, 'options.paths[0] is not granted'],
    ['a path above', { origins: [origin], paths: ['/v1/*'] }, { paths: ['/v1'] }, 'options.paths[0] is not granted'],
    ['a path beside', { origins: [origin], paths: ['/v1/*'] }, { paths: ['/v1x/*'] }, 'options.paths[0] is not granted'],
    ['another header', { origins: [origin], inject: { header: 'x-api-key' } }, { inject: { header: 'authorization' } }, 'options.inject is not what the config says'],
    ['another prefix', { origins: [origin], inject: { header: 'x', prefix: 'A ' } }, { inject: { header: 'x', prefix: 'B ' } }, 'options.inject'],
    ['another kind of place', { origins: [origin], inject: { header: 'x' } }, { inject: { query: 'x' } }, 'options.inject'],
    ['another user', { origins: [origin], inject: { basic: { username: 'a' } } }, { inject: { basic: { username: 'b' } } }, 'options.inject'],
    ['a signature', { origins: [origin], inject: { header: 'x' } }, { inject: { sign: () => ({}) } }, 'options.inject'],
    ['an origin that is none', undefined, { origins: ['https://api.example.com/'] }, 'options.origins[0] is not an exact origin'],
    ['a wildcard', undefined, { origins: ['https://*.example.com'] }, 'options.origins[0] is not an exact origin'],
    ['http beyond this machine', undefined, { origins: ['http://api.example.com'] }, 'unencrypted'],
    ['a method in small letters', undefined, { origins: [origin], methods: ['get'] }, 'options.methods[0]'],
    ['a path with * in it', undefined, { origins: [origin], paths: ['/v*/x'] }, 'options.paths[0]'],
    ['a header that is ours', undefined, { origins: [origin], inject: { header: 'Host' } }, 'options.inject.header is a header of the connection'],
    ['a header for ranges', undefined, { origins: [origin], inject: { header: 'range' } }, 'options.inject.header'],
    ['a header for another method', undefined, { origins: [origin], inject: { header: 'X-HTTP-Method-Override' } }, 'options.inject.header'],
    ['a place that is nowhere', undefined, { origins: [origin], inject: {} as never }, 'options.inject does not say where'],
    ['a colon in a user', undefined, { origins: [origin], inject: { basic: { username: 'a:b' } } }, 'holds a colon'],
    ['a signer that is none', undefined, { origins: [origin], inject: { sign: 'x' as never } }, 'options.inject.sign is not a function'],
    ['a signer and a header', undefined, { origins: [origin], inject: { sign: () => ({}), header: 'x' } }, 'options.inject.header is not an option'],
    ['a misspelt option', undefined, { origin: [origin] } as never, 'did you mean "origins"'],
    ['a fetch that is none', undefined, { origins: [origin], fetch: 'x' as never }, 'options.fetch is not a function'],
    ['a flag that is none', undefined, { origins: [origin], allowLoopbackHttp: 1 as never }, 'options.allowLoopbackHttp is not a boolean'],
    ['origins of the config that are none', { origins: ['https://api.example.com/v1'] }, {}, 'secrets["KEY"].origins[0] is not an exact origin'],
    ['methods of the config that are none', { origins: [origin], methods: ['get'] }, {}, 'secrets["KEY"].methods[0]'],
  ])('%s is an error when made', async (_what, policy, options, text) => {
    const error = await errorOf(() => make(policy, options))
    expect([error.code, error.message]).toEqual(['invalid-config', expect.stringContaining(text)])
  })

  it.each([['a/../b'], [''], [5]])('%j is no name', async (name) => {
    expect(await errorOf(() => scopedFetch(name as never, { secrets: rootWith(), origins: [origin] }))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('name'),
    })
  })

  it('secrets have to be a view of this copy of the package', async () => {
    expect(await errorOf(() => scopedFetch('KEY', { secrets: {} as never, origins: [origin] }))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('npm ls keyward'),
    })
  })

  it('what was given and is changed afterwards changes nothing', async () => {
    const server = await serve()
    const policy = { origins: [server.origin], methods: ['GET'] }
    const inject = { header: 'x-key' }
    const options = { origins: [server.origin], methods: ['GET'], inject }
    const secrets = rootWith(policy)
    policy.methods.push('POST')
    const before = scopedFetch('KEY', { secrets, ...options, allowLoopbackHttp: true })
    options.methods.push('POST')
    options.origins.push(other)
    inject.header = 'x-other'
    expect((await before(server.origin)).status).toBe(200)
    expect(server.seen[0]?.headers['x-key']).toBe(key)
    expect(await errorOf(before(server.origin, { method: 'POST' }))).toMatchObject({ reason: 'method' })
    expect(await errorOf(before(other))).toMatchObject({ reason: 'origin' })
    expect(await errorOf(() => scopedFetch('KEY', { secrets, methods: ['POST'] }))).toMatchObject({ code: 'invalid-config' })
  })

  it('the policy is that of a config file as well', async () => {
    const config = { secrets: { KEY: { origins: [origin] } }, environments: { test: { provider: { name: 'memory', secrets: { KEY: key } } } } } as const
    const secrets = await loadSecrets({ config })
    expect(scopedFetch('KEY', { secrets })).toBeTypeOf('function')
    expect(await errorOf(() => scopedFetch('KEY', { secrets, origins: [other] }))).toMatchObject({ code: 'invalid-config' })
    expect(await errorOf(() => scopedFetch('KEY', { secrets: secrets.scope({ allow: ['*'] }), origins: [other] }))).toMatchObject({ code: 'invalid-config' })
  })
})

describe('a refusal says where what is missing has to be added', () => {
  const policy = { origins: [origin, other], methods: ['GET', 'POST'], paths: ['/v1/*'] } as const
  const [inOptions, inConfig, inBoth] = ['in the options', 'in the config', 'in the options and in the config, which options can only narrow']

  it.each<[string, SecretPolicy | undefined, Record<string, unknown>, string, string]>([
    ['the options, where they alone are too narrow', policy, { origins: [origin] }, `${other}/v1/a`, `Add it to \`origins\` ${inOptions}, if`],
    ['the options, where they alone say it', undefined, { origins: [origin] }, `${other}/v1/a`, `Add it to \`origins\` ${inOptions}, if`],
    ['the config, where it alone says it', policy, {}, 'https://third.example.com/v1/a', `Add it to \`origins\` ${inConfig}, if`],
    ['both, where neither has it', policy, { origins: [origin] }, 'https://third.example.com/v1/a', `Add it to \`origins\` ${inBoth}, if`],
    ['the options, for a path', policy, { paths: ['/v1/a'] }, `${origin}/v1/b`, `Add it to \`paths\` ${inOptions}, if`],
    ['the config, for a path', policy, {}, `${origin}/v2`, `Add it to \`paths\` ${inConfig}, if`],
    ['both, for a path', policy, { paths: ['/v1/a'] }, `${origin}/v2`, `Add it to \`paths\` ${inBoth}, if`],
    ['the options, for a method', policy, { methods: ['POST'] }, `${origin}/v1/a`, `Add it, in capitals, to \`methods\` ${inOptions}.`],
  ])('%s', async (_what, config, options, url, fix) => {
    const fetch = scopedFetch('KEY', { secrets: rootWith(config), ...options })
    expect((await errorOf(fetch(url))).message).toContain(fix)
  })

  it('either, for a method of which neither says anything', async () => {
    const fetch = scopedFetch('KEY', { secrets: rootWith({ origins: [origin] }) })
    expect((await errorOf(fetch(origin, { method: 'POST' }))).message).toContain('to `methods` in the options or the config; without `methods` there is GET alone.')
  })
})

describe('without `secrets`, the config is that of the tool', () => {
  const grant = { tool: 'search', allow: ['KEY'] }

  it('what widens it is told by the first call, and nothing is read or sent', async () => {
    const server = await serve()
    const wide = scopedFetch('KEY', { origins: [server.origin], allowLoopbackHttp: true })
    await callTool(rootWith({ origins: [origin] }), grant, async () => {
      expect(await errorOf(wide(server.origin))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('options.origins[0] is not granted') })
    })
    expect(server.seen).toEqual([])
  })

  it('without origins of its own it takes those of the config there, and without these it sends nothing', async () => {
    const server = await serve()
    const fetch = scopedFetch('KEY', { allowLoopbackHttp: true })
    await callTool(rootWith({ origins: [server.origin] }), grant, async () => {
      expect((await fetch(server.origin)).status).toBe(200)
      expect(await errorOf(fetch(other))).toMatchObject({ reason: 'origin' })
    })
    await callTool(rootWith(), grant, async () => {
      expect(await errorOf(fetch(server.origin))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('options.origins is missing') })
    })
    expect(server.seen.length).toBe(1)
  })

  it('made in a tool, it is held against the config when made', async () => {
    await callTool(rootWith({ origins: [origin] }), grant, async () => {
      expect(await errorOf(() => scopedFetch('KEY', { origins: [other] }))).toMatchObject({ code: 'invalid-config' })
    })
    await callTool(rootWith(), grant, async () => {
      expect(await errorOf(() => scopedFetch('KEY'))).toMatchObject({ code: 'invalid-config' })
    })
    expect(await errorOf(() => scopedFetch('KEY', { origins: [] }))).toMatchObject({ code: 'invalid-config' })
  })
})
