/** What the audit is told of a fetch: one event, of the read or of why there was none. */
import { expect, it } from 'vitest'
import { scopedFetch } from '../../src/agents/index.js'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { createBackend, errorOf } from '../access/backend.js'
import { key, serve, whenDone } from './serve.js'

const hidden = 'not-to-be-told'

it.each<[string, string, RequestInit]>([
  ['origin', 'https://elsewhere.example/v1/search', {}],
  ['url', 'https://elsewhere.example/v1//search', {}],
  ['path', '/other', {}],
  ['method', '/v1/search', { method: 'DELETE' }],
  ['host', '/v1/search', { headers: { 'x-forwarded-host': hidden } }],
  ['credentials', '/v1/search', { headers: { authorization: hidden } }],
])('a refusal by its %s is a read that the scope denied', async (reason, url, init) => {
  const server = await serve()
  const backend = createBackend({ KEY: key })
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: backend.provider, audit: (event) => events.push(event) })
  whenDone(() => secrets.close())
  const researcher = secrets.scope({ agent: 'researcher', allow: ['KEY'] })
  const fetch = scopedFetch('KEY', { secrets: researcher, origins: [server.origin], paths: ['/v1/*'], allowLoopbackHttp: true })
  events.length = 0
  expect(await errorOf(fetch(new URL(url, server.origin).href, init))).toMatchObject({ code: 'denied', reason })
  expect(events).toEqual([expect.objectContaining({ type: 'read', name: 'KEY', agent: 'researcher', outcome: 'denied', deniedBy: 'scope', reason, duration: 0 })])
  expect(JSON.stringify(events)).not.toContain(hidden)
  expect(backend.requests).toEqual([])
  await fetch(`${server.origin}/v1/search`)
  expect(events.slice(1)).toEqual([expect.objectContaining({ type: 'read', outcome: 'ok' })])
})

it('a redirect is the event of its read alone', async () => {
  const server = await serve((_request, response) => void response.writeHead(302, { location: 'https://elsewhere.example/' }).end())
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: createBackend({ KEY: key }).provider, audit: (event) => events.push(event) })
  whenDone(() => secrets.close())
  const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], allowLoopbackHttp: true })
  events.length = 0
  expect(await errorOf(fetch(server.origin))).toMatchObject({ code: 'denied', reason: 'redirect' })
  expect(events).toEqual([expect.objectContaining({ type: 'read', outcome: 'ok' })])
})
