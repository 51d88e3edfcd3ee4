/** Each agent has a token of its own, and the server itself refuses it everything else. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { vault, type VaultOptions } from '../../../providers/vault/index.js'
import { createSecrets, type AuditEvent, type RootSecrets } from '../../../src/index.js'
import type { ProviderGrant } from '../../../src/provider.js'
import { OpenBao } from '../../servers/openbao.js'
import { context, make } from '../setup.js'
import { closeAfterEach } from '../opened.js'

let server: OpenBao
let token: string
beforeAll(async () => {
  server = await OpenBao.start()
  await server.demand('POST', 'sys/mounts/old', { type: 'kv', options: { version: '1' } })
  for (const id of ['A', 'B', 'search/key', 'search/other', 'search/private/key']) await server.demand('POST', `secret/data/${id}`, { data: { value: `value of ${id}` } })
  await server.demand('POST', 'old/app', { value: 'of the old' })
  await server.demand('POST', 'auth/token/roles/agents', { allowed_policies_glob: ['keyward-*'], orphan: true, renewable: true })
  await server.putPolicy(
    'app',
    'path "auth/token/create/agents" { capabilities = ["update"] }\npath "secret/*" { capabilities = ["read"] }\npath "old/*" { capabilities = ["read"] }',
  )
  token = await server.createToken(['app'], { ttl: '1h' })
}, 60_000)
afterAll(() => server.stop())

const kept = closeAfterEach()

const agents = { tokenRole: 'agents' }
function open(options: VaultOptions = {}, more: Partial<Parameters<typeof createSecrets<string>>[0]> = {}): { secrets: RootSecrets<string>; events: AuditEvent[] } {
  const events: AuditEvent[] = []
  const secrets = kept(
    createSecrets<string>({
      provider: vault({ address: server.address, token, agents, ...options }),
      references: { OLD: 'old/app' },
      retry: false,
      audit: (event) => void events.push(event),
      ...more,
    }),
  )
  return { secrets, events }
}

/** As an operator does with what `keyward policy` prints. */
async function apply(grant: ProviderGrant): Promise<{ name: string; text: string }> {
  const provider = await make(vault({ address: server.address, token, agents }))
  const policy = await provider.policy!(grant, context)
  await server.putPolicy(policy!.name, policy!.text)
  await provider.close?.()
  return policy!
}
const grantOf = (agent: string, allow: readonly string[], deny: readonly string[] = []): ProviderGrant => ({
  agent,
  allow: allow.map((name) => (name === 'OLD' ? 'old/app' : `secret/${name}`)),
  deny: deny.map((name) => `secret/${name}`),
})

/** Tokens of an agent that are alive. */
async function tokensOf(agent: string): Promise<readonly Record<string, unknown>[]> {
  const { data } = await server.demand('LIST', 'auth/token/accessors')
  const found = await Promise.all(
    (data as { keys: string[] }).keys.map(
      async (accessor) => (await server.request('POST', 'auth/token/lookup-accessor', { accessor })).body['data'] as Record<string, unknown> | undefined,
    ),
  )
  return found.flatMap((one) => ((one?.['meta'] as { agent?: string } | null | undefined)?.agent === agent ? [one!] : []))
}

/** What a token may do, asked of the server past everything else. */
async function statuses(of: string, paths: readonly string[]): Promise<readonly number[]> {
  const answers = await Promise.all(paths.map((path) => server.request('GET', path, undefined, of)))
  return answers.map(({ status }) => status)
}

describe('the policy of a grant', () => {
  it('lets through what is granted, and the server refuses all else', async () => {
    const { name, text } = await apply(grantOf('Researcher', ['A', 'search/*', 'OLD'], ['search/private/*']))
    expect(name).toMatch(/^keyward-researcher-[\da-f]{16}$/)
    expect(text).toMatch(/path "secret\/data\/A" \{\n {2}capabilities = \["read"\]\n\}/)
    const own = await server.createToken([name])
    expect(await statuses(own, ['secret/data/A', 'secret/data/search/key', 'secret/data/search/other', 'old/app'])).toEqual([200, 200, 200, 200])
    const refused = ['secret/data/B', 'secret/data/AB', 'secret/data/A/x', 'secret/data/search/private/key', 'secret/data/searches', 'secret/config', 'old/other', 'old/app/x']
    expect(await statuses(own, [...refused, 'sys/mounts', 'auth/token/lookup-self', 'sys/policies/acl', 'cubbyhole/x', 'identity/entity/id?list=true'])).toEqual(
      Array.from({ length: refused.length + 5 }, () => 403),
    )
    for (const path of ['secret/data/A', 'secret/metadata/A', 'old/app']) expect((await server.request('POST', path, { data: { value: 'x' } }, own)).status).toBe(403)
    expect((await server.request('DELETE', 'secret/data/A', undefined, own)).status).toBe(403)
  })

  it('denies one secret of many, and a whole beginning within another', async () => {
    const { name } = await apply(grantOf('denying', ['search/*', 'A'], ['search/key', 'A']))
    const own = await server.createToken([name])
    expect(await statuses(own, ['secret/data/search/other', 'secret/data/search/key', 'secret/data/A'])).toEqual([200, 403, 403])
  })

  it('of a secret that is denied with all that begins so is no rule: one for the very path would come first', async () => {
    const { name } = await apply(grantOf('covered', ['search/key', 'B'], ['search/*']))
    const own = await server.createToken([name])
    expect(await statuses(own, ['secret/data/B', 'secret/data/search/key'])).toEqual([200, 403])
  })

  it('quotes what HCL would take for something else, and is refused where it would say more', async () => {
    for (const id of ['quo"te', 'back\\slash', 'a+b', '#x', 'ä']) {
      await server.demand('POST', `secret/data/${encodeURIComponent(id)}`, { data: { value: id } })
      const own = await server.createToken([(await apply(grantOf('quoted', [id]))).name])
      expect(await statuses(own, [`secret/data/${encodeURIComponent(id)}`, 'secret/data/A'])).toEqual([200, 403])
    }
    for (const id of ['a*b', '+', 'x/+/y', '+x', 'x+*', '{{identity.entity.id}}', '${x}'])
      await expect(apply(grantOf('metacharacters', [id]))).rejects.toMatchObject({ code: 'unsupported', reason: 'policy' })
    for (const id of ['secret*', 'sec*', '*']) await expect(apply({ agent: 'wide', allow: [id], deny: [] })).rejects.toMatchObject({ code: 'unsupported', reason: 'policy' })
  })
})

describe('the token of an agent', () => {
  it('is made once, under the role, names the agent, and reads what was granted', async () => {
    await apply(grantOf('reader', ['A', 'OLD']))
    const { secrets, events } = open()
    const scope = secrets.scope({ agent: 'reader', allow: ['A', 'OLD'], enforcement: 'backend' })
    const before = (await server.audit()).length
    expect(await scope.getSecrets(['A', 'OLD'])).toEqual({ A: 'value of A', OLD: 'of the old' })
    const seen = (await server.audit()).slice(before)
    expect(seen.filter(({ type, request }) => type === 'request' && request.path === 'auth/token/create/agents')).toHaveLength(1)
    const reads = seen.filter(({ type, request }) => type === 'response' && /^(?:secret\/data\/A|old\/app)$/.test(request.path))
    expect(reads.map(({ auth }) => [auth?.metadata?.['agent'], auth?.policies?.length])).toEqual([
      ['reader', 1],
      ['reader', 1],
    ])
    expect(events).toContainEqual(expect.objectContaining({ type: 'narrow', agent: 'reader', outcome: 'ok' }))
  })

  it('is refused by the server what the process would let through, and never reads with the token of the app', async () => {
    const { secrets } = open()
    // Nobody wrote the policy of this grant.
    const scope = secrets.scope({ agent: 'unknown', allow: ['A'] })
    await expect(scope.getSecret('A')).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend', message: expect.stringContaining('keyward policy --agent') as string })
    expect(await secrets.getSecret('A')).toBe('value of A')
    await expect(scope.getSecret('A')).rejects.toMatchObject({ code: 'denied' })
  })

  it('ends with its scope', async () => {
    await apply(grantOf('ending', ['A']))
    const { secrets } = open()
    const scope = secrets.scope({ agent: 'ending', allow: ['A'] })
    await scope.getSecret('A')
    const before = (await server.audit()).length
    await scope.revoke()
    expect(
      (await server.audit()).slice(before).filter(({ type, request, error }) => type === 'response' && request.path === 'auth/token/revoke-self' && error === undefined),
    ).toHaveLength(1)
    expect(await secrets.getSecret('A')).toBe('value of A')
  })

  it('is made anew once its uses are over', async () => {
    const names = ['A', 'B', 'search/key', 'search/other']
    await apply(grantOf('counted', names))
    const { secrets } = open({ agents: { ...agents, uses: 2 } })
    const scope = secrets.scope({ agent: 'counted', allow: names })
    const before = (await server.audit()).length
    for (const name of names) expect(await scope.getSecret(name as 'A')).toBe(`value of ${name}`)
    expect((await server.audit()).slice(before).filter(({ type, request }) => type === 'request' && request.path === 'auth/token/create/agents')).toHaveLength(2)
  })

  it('is made anew for each of many that read at once, and goes on to be', async () => {
    const names = ['A', 'B', 'search/key', 'search/other']
    await apply(grantOf('crowded', names))
    const { secrets } = open({ agents: { ...agents, uses: 1 } })
    const scope = secrets.scope({ agent: 'crowded', allow: names })
    // A server may fail where a token is used for the last time by two at once.
    await expect
      .poll(() => scope.getSecrets(names as ['A']).then(Object.values, ({ code }: { code: string }) => code), { timeout: 10_000 })
      .toEqual(names.map((name) => `value of ${name}`))
    secrets.invalidate('A')
    expect(await scope.getSecret('A')).toBe('value of A')
  })

  it('lives for its time and no longer than the grant, and has no policy but its own', async () => {
    await apply(grantOf('timed', ['A']))
    const { secrets } = open({ agents: { ...agents, ttl: '10m', uses: 50 } })
    await secrets.scope({ agent: 'timed', allow: ['A'], expiresIn: '20m' }).getSecret('A')
    const [own = {}] = await tokensOf('timed')
    expect(own).toMatchObject({ policies: [expect.stringMatching(/^keyward-timed-/)], orphan: true, num_uses: expect.any(Number) as number, display_name: 'token-keyward' })
    expect(own['creation_ttl']).toBe(600)
    expect(own['explicit_max_ttl']).toBeGreaterThan(1_190)
    expect(own['explicit_max_ttl']).toBeLessThanOrEqual(1_200)
    expect(own['num_uses']).toBeLessThanOrEqual(50)
    expect(own['num_uses']).toBeGreaterThan(40)
  })

  it('is renewed under its own policy', async () => {
    await apply(grantOf('renewing', ['A']))
    const { secrets, events } = open({ agents: { ...agents, ttl: '3s' } }, { cache: false })
    const scope = secrets.scope({ agent: 'renewing', allow: ['A'] })
    const made = async (): Promise<number> => (await server.audit()).filter(({ type, request }) => type === 'request' && request.path === 'auth/token/create/agents').length
    await scope.getSecret('A')
    const before = await made()
    await new Promise((resolve) => setTimeout(resolve, 5_000))
    expect(await scope.getSecret('A')).toBe('value of A')
    expect(await made()).toBe(before)
    expect(new Set(events.flatMap((event) => (event.type === 'login' ? [event.outcome] : [])))).toEqual(new Set(['ok']))
  })

  it('describes what it reads', async () => {
    await apply(grantOf('describing', ['A']))
    const scope = open().secrets.scope({ agent: 'describing', allow: ['A'], enforcement: 'backend' })
    expect(await scope.describeSecret('A')).toMatchObject({ version: '1', createdAt: expect.any(Date) as Date })
    const seen = (await server.audit()).filter(
      ({ type, request, auth }) => type === 'response' && request.path === 'secret/metadata/A' && auth?.metadata?.['agent'] === 'describing',
    )
    expect(seen.map(({ error }) => error)).toEqual([undefined])
  })

  it('is not given out where a policy cannot say the grant', async () => {
    const { secrets } = open({}, { references: { WILD: 'secret/a%2Ab', A: 'secret/A' } })
    await server.demand('POST', `secret/data/${encodeURIComponent('a*b')}`, { data: { value: 'of the wild' } })
    const scope = secrets.scope({ agent: 'wild', allow: ['WILD'] })
    expect(await scope.getSecret('WILD')).toBe('of the wild')
    expect(scope.enforcement).toBe('process')
    await expect(secrets.scope({ agent: 'wild', allow: ['WILD'], enforcement: 'backend' }).getSecret('WILD')).rejects.toMatchObject({ code: 'denied' })
  })

  it("that carries the app's identity is ended, and nothing is read with it", async () => {
    await server.demand('POST', 'sys/auth/approle', { type: 'approle' })
    await server.putPolicy('mint', 'path "auth/token/create/+" { capabilities = ["update"] }')
    await server.putPolicy('everything', 'path "secret/*" { capabilities = ["read"] }')
    await server.demand('POST', 'auth/approle/role/app', { token_policies: ['mint'] })
    const { data: role } = await server.demand('GET', 'auth/approle/role/app/role-id')
    const { data: secret } = await server.demand('POST', 'auth/approle/role/app/secret-id', {})
    const auth = { method: 'approle', roleId: (role as { role_id: string }).role_id, secretId: (secret as { secret_id: string }).secret_id } as const
    const { data: methods } = await server.demand('GET', 'sys/auth')
    const { data: entity } = await server.demand('POST', 'identity/entity', { name: 'app', policies: ['everything'] })
    await server.demand('POST', 'identity/entity-alias', {
      name: auth.roleId,
      canonical_id: (entity as { id: string }).id,
      mount_accessor: (methods as Record<string, { accessor: string }>)['approle/']!.accessor,
    })
    await server.demand('POST', 'auth/token/roles/heirs', { allowed_policies_glob: ['keyward-*'], orphan: false, renewable: true })
    await apply(grantOf('heir', ['A']))
    const heir = open({ token: undefined as never, auth, agents: { tokenRole: 'heirs' } }).secrets.scope({ agent: 'heir', allow: ['A'], enforcement: 'backend' })
    await expect(heir.getSecret('A')).rejects.toMatchObject({
      code: 'denied',
      deniedBy: 'backend',
      reason: 'more-policies',
      message: expect.stringContaining('orphan=true') as string,
    })
    const orphan = open({ token: undefined as never, auth }).secrets.scope({ agent: 'heir', allow: ['A'], enforcement: 'backend' })
    expect(await orphan.getSecret('A')).toBe('value of A')
    const alive = await tokensOf('heir')
    expect(alive.map(({ policies }) => policies)).toEqual([[expect.stringMatching(/^keyward-heir-/)]])
  })

  it('of type batch, which no scope can end, is not used', async () => {
    await server.demand('POST', 'auth/token/roles/batch', { allowed_policies_glob: ['keyward-*'], orphan: true, renewable: false, token_type: 'batch' })
    await server.putPolicy('app', 'path "auth/token/create/+" { capabilities = ["update"] }\npath "secret/*" { capabilities = ["read"] }\npath "old/*" { capabilities = ["read"] }')
    await apply(grantOf('batch', ['A']))
    const scope = open({ agents: { tokenRole: 'batch' } }).secrets.scope({ agent: 'batch', allow: ['A'] })
    await expect(scope.getSecret('A')).rejects.toMatchObject({ code: 'denied', reason: 'batch-token', message: expect.stringContaining('vault.agents.tokenRole') as string })
  })

  it('that is not made is told with the role, and what it lacks', async () => {
    await apply(grantOf('refused', ['A']))
    const without = await server.createToken(['default'])
    const told = async (options: VaultOptions): Promise<unknown> =>
      open(options)
        .secrets.scope({ agent: 'refused', allow: ['A'] })
        .getSecret('A', { default: 'of the caller' })
        .catch((error: unknown) => error)
    expect(await told({ agents: { tokenRole: 'absent' } })).toMatchObject({
      code: 'denied',
      reason: 'token-role',
      message: expect.stringContaining('vault.agents.tokenRole') as string,
    })
    expect(await told({ token: without })).toMatchObject({
      code: 'denied',
      reason: 'token-role',
      message: expect.stringContaining('"update" on auth/token/create/agents') as string,
    })
  })

  it('may have a policy of a name that stays', async () => {
    await server.putPolicy('keyward-steady', 'path "secret/data/A" { capabilities = ["read"] }')
    const { secrets } = open({ agents: { ...agents, policy: 'keyward-{agent}' } })
    expect(await secrets.scope({ agent: 'steady', allow: ['A', 'B'] }).getSecret('A')).toBe('value of A')
    await expect(secrets.scope({ agent: 'steady', allow: ['A', 'B'] }).getSecret('B')).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend' })
  })

  it('of that name is of one agent alone, however its name is written', async () => {
    const { secrets } = open({ agents: { ...agents, policy: 'keyward-{agent}' } })
    await server.putPolicy('keyward-a-b', 'path "secret/data/A" { capabilities = ["read"] }')
    expect(await secrets.scope({ agent: 'a-b', allow: ['A'] }).getSecret('A')).toBe('value of A')
    for (const agent of ['a/b', 'A-B', 'a b']) await expect(secrets.scope({ agent, allow: ['A'] }).getSecret('A')).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend' })
  })

  it('is not there where the app has no role, and a grant that asks for it is refused', async () => {
    const { secrets } = open({ agents: undefined as never })
    expect(await secrets.scope({ agent: 'any', allow: ['A'] }).getSecret('A')).toBe('value of A')
    await expect(secrets.scope({ agent: 'any', allow: ['A'], enforcement: 'backend' }).getSecret('A')).rejects.toMatchObject({ code: 'denied' })
  })
})
