/** What a client that has the token is told of what is refused or fails: a status, and one shape of JSON without any value. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startProxy } from '../../src/proxy/index.js'
import { toldOf } from '../../src/proxy/refusals.js'
import { createSecrets, SecretError } from '../../src/index.js'
import { createBackend, errorOf } from '../access/backend.js'
import { key, serve, whenDone } from '../egress/serve.js'
import { lines, openProxy, say, type Opening } from './opened.js'

interface Row {
  readonly path?: string
  readonly method?: string
  readonly headers?: readonly string[]
  readonly opening?: Opening
  readonly told: { readonly status: number; readonly code: string; readonly reason?: string }
}
const denied = (reason: string, status = 403): Row['told'] => ({ status, code: 'denied', reason })

const table: Readonly<Record<string, Row>> = {
  'a name that is not there': { path: '/NOTHING/', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'a name that has nowhere to go': { path: '/OTHER/', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'no name': { path: '/', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'the beginning of a name': { path: '/KE/', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'more than a name': { path: '/KEY2/', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'a name in other letters': { path: '/key/', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'a name that is encoded': { path: '/%4BEY/', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'an encoded slash behind the name': { path: '/KEY%2f..', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'encoded dots first': { path: '/%2e%2e/KEY/', told: { status: 404, code: 'not-found', reason: 'no-such-path' } },
  'encoded dots': { path: '/KEY/%2e%2e/a', told: denied('url') },
  dots: { path: '/KEY/a/../../b', told: denied('url') },
  'dots with a parameter': { path: '/KEY/..;a/b', told: denied('url') },
  'an encoded slash': { path: '/KEY/a%2fb', told: denied('url') },
  'an encoded backslash': { path: '/KEY/a%5cb', told: denied('url') },
  'a slash that is encoded twice': { path: '/KEY/a%252fb', told: denied('url') },
  'an encoded control character': { path: '/KEY/a%0d%0ab', told: denied('url') },
  'two slashes': { path: '/KEY//evil.example/', told: denied('url') },
  'what is no UTF-8': { path: '/KEY/%c0%af', told: denied('url') },
  'a method that the policy lacks': { method: 'DELETE', told: denied('method') },
  'a method that no request has': { method: 'TRACE', told: denied('request') },
  'a path that the policy lacks': { path: '/KEY/v2/', opening: { policy: { paths: ['/v1/*'] } }, told: denied('path') },
  'a method in a header': { headers: ['x-http-method-override: DELETE'], told: denied('method') },
  'a method in a parameter': { path: '/KEY/?_method=DELETE', told: denied('method') },
  'another host in a header': { headers: ['x-forwarded-host: evil.example'], told: denied('host') },
  'credentials of its own': { headers: ['authorization: Bearer another-credential'], told: denied('credentials') },
  'a cookie of its own': { headers: ['cookie: a=b'], told: denied('credentials') },
  'a parameter where the secret goes': { path: '/KEY/?k=own', opening: { policy: { inject: { query: 'k' } } }, told: denied('credentials') },
  'a body where there is none': { headers: ['content-length: 0', 'x-a: b'], method: 'GET', path: '/KEY/a%2fb', told: denied('url') },
  'a secret that is not there': { opening: { policies: { GONE: { origins: ['http://127.0.0.1:9'] } } }, path: '/GONE/', told: { status: 500, code: 'not-found' } },
  'a secret that no header can hold': { opening: { values: { KEY: 'two\nlines-of-a-value' } }, told: { status: 500, code: 'invalid-value', reason: 'header' } },
  'a server that is not there': { opening: { policies: { KEY: { origins: ['http://127.0.0.1:9'] } } }, told: { status: 502, code: 'unavailable', reason: 'ECONNREFUSED' } },
  'http, where that was not allowed': {
    path: '/KEY@127.0.0.1:9/',
    opening: { policies: { KEY: { origins: ['https://api.example.com', 'http://127.0.0.1:9'] } }, options: { allowLoopbackHttp: false } },
    told: denied('origin'),
  },
  'an address of this machine behind https': {
    path: '/KEY@127.0.0.1:9/',
    opening: { policies: { KEY: { origins: ['https://api.example.com', 'https://127.0.0.1:9'] } }, options: { allowLoopbackHttp: false } },
    told: denied('private-address', 502),
  },
}

describe('a client that has the token is told of', () => {
  it.each(Object.entries(table))('%s', async (_name, { path = '/KEY/', method = 'GET', headers = [], opening, told }) => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin, opening)
    const said = await say(proxy.port, lines(`${method} ${path} HTTP/1.1`, `Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`, ...headers))
    const [head = '', body = ''] = said.split('\r\n\r\n')
    expect(Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1])).toBe(told.status)
    expect(head.toLowerCase()).toContain(`\r\nkeyward-error: ${told.code}\r\n`)
    expect(head.toLowerCase()).toContain('\r\ncache-control: no-store\r\n')
    const { status: _, ...shown } = told
    const document = JSON.parse(body) as { error: { message: string } }
    expect(document).toEqual({ error: { ...shown, message: expect.stringMatching(/^keyward: .*\.$/s) as string } })
    for (const value of [proxy.token, key, 'lines-of-a-value', 'evil.example/', 'another-credential']) expect(said).not.toContain(value)
    expect(server.seen).toEqual([])
  })

  it('what the origin answers and is not passed on', async () => {
    const answers: Readonly<Record<string, (response: import('node:http').ServerResponse) => unknown>> = {
      redirect: (response) => response.writeHead(302, { location: 'https://evil.example/' }).end(),
      partial: (response) => response.writeHead(206).end('part'),
      coding: (response) => response.writeHead(200, { 'content-encoding': 'aes128gcm' }).end('x'),
      charset: (response) => response.writeHead(200, { 'content-type': 'text/plain; charset=x-unknown' }).end('x'),
    }
    const server = await serve(({ path }, response) => answers[path.slice(1)]!(response))
    const { ask } = await openProxy(server.origin)
    for (const reason of Object.keys(answers)) {
      const response = await ask(`/KEY/${reason}`)
      expect([response.status, await response.json()]).toEqual([502, { error: { code: 'denied', reason, message: expect.any(String) as string } }])
    }
  })

  it('what to do about it, in words of the proxy: its flag, and the config, since it has no options of a policy', async () => {
    const { ask } = await openProxy('https://api.example.com', {
      policies: { KEY: { origins: ['https://api.example.com', 'http://127.0.0.1:9'], paths: ['/v1/*'] } },
      options: { allowLoopbackHttp: false },
    })
    const told = async (path: string, method = 'GET'): Promise<string> => ((await (await ask(path, { method })).json()) as { error: { message: string } }).error.message
    expect(await told('/KEY@127.0.0.1:9/v1/a')).toMatch(
      /http:\/\/127\.0\.0\.1:9 is not https\. .*start the proxy with `--allow-loopback-http` \(in code `allowLoopbackHttp: true`\)/,
    )
    expect(await told('/KEY/v1/a', 'POST')).toContain('Add it, in capitals, to `methods` in the config; without `methods` there is GET alone.')
    expect(await told('/KEY/v2')).toContain('Add it to `paths` in the config, if the secret may go there.')
  })

  it('a backend that throttles, with how long it asks to wait', async () => {
    const backend = createBackend({}, { get: () => Promise.reject(new SecretError({ code: 'throttled', retryAfter: 4_200 })) })
    const secrets = createSecrets<string>({
      provider: { ...backend.provider, failure: (error) => (error instanceof SecretError ? { code: error.code, retryAfter: '4200ms' } : undefined) },
      retry: { attempts: 1 },
      secrets: { KEY: { origins: ['http://127.0.0.1:9'] } },
    })
    whenDone(() => secrets.close())
    const proxy = await startProxy({ secrets: secrets.scope({ agent: 'a', allow: ['KEY'] }), allowLoopbackHttp: true })
    const response = await fetch(proxy.baseUrl('KEY'), { headers: { 'x-api-key': proxy.token } })
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5'])
  })

  it('what is no error of keyward, without what that says', () => {
    const told = toldOf(new Error(`invalid header value "Bearer ${key}"`, { cause: key }))
    expect(told).toEqual({ status: 500, code: 'failed', message: expect.stringMatching(/^keyward: .*\.$/) as string })
    expect(JSON.stringify(told)).not.toContain(key)
  })

  it('a refusal of a large body, on a connection that goes on', async () => {
    const server = await serve()
    const { ask } = await openProxy(server.origin)
    const response = await ask('/NOTHING/', { method: 'POST', body: Buffer.alloc(5_000_000) })
    expect(response.status).toBe(404)
    expect((await ask('/KEY/')).status).toBe(200)
  })
})

describe('startProxy refuses', () => {
  const secrets = createSecrets<string>({
    provider: createBackend({}).provider,
    secrets: {
      KEY: { origins: ['https://api.example.com'] },
      'KEY/a': { origins: ['https://api.example.com'] },
      BARE: {},
      'a\\b': { origins: ['https://api.example.com'] },
      LOCAL: { origins: ['http://localhost:9', 'https://127.0.0.1:9'] },
    },
  })
  const scope = secrets.scope({ agent: 'a', allow: ['KEY', 'KEY/a', 'BARE', 'LOCAL', 'a\\b'] })
  const narrow = secrets.scope({ agent: 'a', allow: ['KEY', 'BARE'] })

  it.each<[string, unknown, RegExp]>([
    ['no options', undefined, /options is not an object/],
    ['an option that is none', { secrets: narrow, hots: 'a' }, /options\.hots is not an option.*did you mean "host"/],
    ['what is no view', { secrets: {} }, /secrets is no view/],
    ['the root', { secrets }, /options\.secrets is the root.*the scope of one agent/],
    ['an address of all networks', { secrets: narrow, host: '0.0.0.0' }, /options\.host is no address of this machine alone/],
    ['an address of IPv6 of all networks', { secrets: narrow, host: '::' }, /options\.host/],
    ['a name', { secrets: narrow, host: 'example.com' }, /options\.host/],
    ['another address of loopback', { secrets: narrow, host: '127.0.0.2' }, /options\.host/],
    ['a host that is no text', { secrets: narrow, host: ['127.0.0.1'] }, /options\.host/],
    ['a host of the prototype', { secrets: narrow, host: 'constructor' }, /options\.host/],
    ['a port that is too large', { secrets: narrow, port: 65_536 }, /options\.port is no port/],
    ['a port that is a text', { secrets: narrow, port: '80' }, /options\.port is not a number; expected a whole number up to 65535/],
    ['a port that is no whole number', { secrets: narrow, port: 80.5 }, /options\.port is no port/],
    ['a port below 0', { secrets: narrow, port: -1 }, /options\.port is no port/],
    ['names that are no list', { secrets: narrow, names: 'KEY' }, /options\.names is not a list/],
    ['no names', { secrets: narrow, names: [] }, /options\.names is empty, and so nothing would be served; expected at least one name/],
    ['a name that is not granted', { secrets: narrow, names: ['OTHER'] }, /options\.names\[0\] is not granted/],
    ['a name that has nowhere to go', { secrets: narrow, names: ['KEY', 'BARE'] }, /options\.names\[1\] has no `origins`/],
    ['a name that has nowhere to go, behind one that is there twice', { secrets: narrow, names: ['KEY', 'KEY', 'BARE'] }, /options\.names\[2\] has no `origins`/],
    [
      'a secret for this machine alone, to which nothing may pass',
      { secrets: scope, names: ['LOCAL'] },
      /options\.allowLoopbackHttp is not set, and all origins of LOCAL are this machine \(http:\/\/localhost:9, https:\/\/127\.0\.0\.1:9\): every request would be refused/,
    ],
    ['names that one path could mean', { secrets: scope, names: ['KEY', 'KEY/a'] }, /the path of one is the beginning of the other/],
    ['a name that no path can have', { secrets: scope, names: ['a\\b'] }, /cannot stand in the path/],
    ['a scope with nothing to serve', { secrets: secrets.scope({ allow: ['BARE'] }) }, /granted nothing that could be served.*`origins`/],
    ['what is no boolean', { secrets: narrow, allowLoopbackHttp: 'yes' }, /options\.allowLoopbackHttp/],
  ])('%s', async (_what, options, message) => {
    const error = await errorOf(startProxy(options as never))
    expect([error.code, error.message]).toEqual(['invalid-config', expect.stringMatching(message)])
  })

  it('a port that is taken, and a scope that has ended, or ends meanwhile', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    whenDone(async () => taken.close())
    const error = await errorOf(startProxy({ secrets: narrow, port: (taken.address() as AddressInfo).port }))
    expect([error.code, error.message]).toEqual(['invalid-config', expect.stringContaining('options.port is in use')])
    const over = secrets.scope({ agent: 'a', allow: ['KEY'] })
    await over.revoke()
    expect(await errorOf(startProxy({ secrets: over }))).toMatchObject({ code: 'denied', reason: 'revoked' })
    const ending = secrets.scope({ agent: 'a', allow: ['KEY'] })
    const starting = errorOf(startProxy({ secrets: ending }))
    await ending.revoke()
    expect(await starting).toMatchObject({ code: 'denied', reason: 'revoked' })
  })

  it.each(['127.0.0.1', 'localhost', '[::1]', '::1'])('and listens on %s, under that name alone', async (host) => {
    const proxy = await startProxy({ secrets: narrow, host }).catch((error: unknown) => {
      // A machine without IPv6.
      if (host.includes(':')) return undefined
      throw error
    })
    if (proxy === undefined) return
    const base = proxy.baseUrl('KEY')
    expect(base).toBe(`http://${host === '::1' ? '[::1]' : host}:${proxy.port}/KEY`)
    expect((await fetch(base)).status).toBe(403)
    // It reaches the policy: with the method alone that it lacks.
    const response = await fetch(base, { method: 'POST', headers: { 'x-api-key': proxy.token } })
    expect([response.status, response.headers.get('keyward-error')]).toEqual([403, 'denied'])
    await proxy.close()
  })
})
