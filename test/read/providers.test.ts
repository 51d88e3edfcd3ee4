import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { memoryStore } from '../../providers/memory/index.js'
import { createSecrets, isSecretError, SecretError, type AuditEvent } from '../../src/index.js'
import type { ProviderFactory, ProviderSetup, SecretProvider } from '../../src/provider.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable } from '../providers/scriptable/index.js'
import { byCall, hang, outcomeBy, Script, settle } from './scripted-provider.js'

const codeOf = async (run: () => Promise<unknown>): Promise<unknown> => {
  try {
    await run()
    return 'ok'
  } catch (error) {
    return isSecretError(error) ? error.code : error
  }
}

const folders: string[] = []
async function folderWith(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-providers-'))
  folders.push(folder)
  await writeFile(join(folder, '.env'), text, { mode: 0o600 })
  return folder
}
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })))
})

/** A factory of somebody else's: what it was given, and whether what it made was closed. */
function foreign(name: string, members: Partial<SecretProvider> = {}): { factory: ProviderFactory; made: { script: Script; setup: ProviderSetup; closed: number }[] } {
  const made: { script: Script; setup: ProviderSetup; closed: number }[] = []
  const factory: ProviderFactory = async (setup) => {
    const one = {
      script: new Script(name, {
        close: async () => {
          one.closed += 1
        },
        ...members,
      }),
      setup,
      closed: 0,
    }
    one.script.answer = ({ id }) => ({ value: `${name}:${id}` })
    made.push(one)
    return one.script.provider
  }
  return { factory, made }
}

describe('two providers of one kind', () => {
  it('are told apart by an alias: the searched one, and the one that references lead to', async () => {
    const [app, shared] = [await folderWith('KEY=of app\nkv_x=of app too'), await folderWith('KEY=of shared\nkv_x=x of shared\nkv_y=y of shared')]
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({
      provider: { name: 'dotenv', directory: app, processEnv: 'never' },
      providers: { shared: { name: 'dotenv', directory: shared, processEnv: 'never' } },
      references: { TOKEN: 'shared://kv_x', 'shared/*': 'shared://kv_*' },
      audit: (event) => void events.push(event),
    })
    expect([await secrets.getSecret('KEY'), await secrets.getSecret('TOKEN'), await secrets.getSecret('shared/y'), await secrets.getSecret('kv/x')]).toEqual([
      'of app',
      'x of shared',
      'y of shared',
      'of app too',
    ])
    expect(events.flatMap((event) => (event.type === 'read' ? `${event.provider} ${event.reference}` : []))).toEqual([
      'dotenv KEY',
      'shared shared://kv_x',
      'shared shared://kv_y',
      'dotenv kv_x',
    ])
    await expect(secrets.getSecret('shared/none')).rejects.toMatchObject({ code: 'not-found', provider: 'shared', reference: 'shared://kv_none' })
    await secrets.close()
  })

  it('share nothing: each answers for its own place, also under one id', async () => {
    const [one, other] = [memoryStore({ KEY: 'one' }), memoryStore({ KEY: 'other' })]
    const secrets = createSecrets<string>({ provider: one.factory, providers: { shared: other.factory }, references: { OTHER: 'shared://KEY' } })
    expect([await secrets.getSecret('KEY'), await secrets.getSecret('OTHER')]).toEqual(['one', 'other'])
    one.set('KEY', 'second')
    secrets.invalidate('KEY')
    expect([await secrets.getSecret('KEY'), await secrets.getSecret('OTHER')]).toEqual(['second', 'other'])
    one.remove('KEY')
    secrets.invalidate()
    expect([await codeOf(() => secrets.getSecret('KEY')), await secrets.getSecret('OTHER')]).toEqual(['not-found', 'other'])
  })

  it('are two also where they are one object, and one factory', async () => {
    const script = new Script('one')
    script.answer = byCall
    const { factory, made } = foreign('kind')
    const secrets = createSecrets<string>({
      provider: script.provider,
      providers: { again: script.provider, a: factory, b: factory },
      references: { AGAIN: 'again://KEY', A: 'a://X', B: 'b://X' },
    })
    expect(await Promise.all(['KEY', 'AGAIN'].map((name) => secrets.getSecret(name)))).toEqual(['canary-KEY-1', 'canary-KEY-2'])
    expect(await Promise.all(['A', 'B'].map((name) => secrets.getSecret(name)))).toEqual(['kind:X', 'kind:X'])
    expect(made).toHaveLength(2)
  })

  it.each<[string, () => unknown]>([
    ['in a list without an alias', () => createSecrets({ provider: ['env', { name: 'env', prefix: 'A_' }] })],
    ['under the name of the searched one', () => createSecrets({ provider: 'env', providers: { env: 'dotenv' } })],
    ['as a reference to one that is not there', () => createSecrets<string>({ provider: 'env', providers: { shared: 'dotenv' }, references: { 'x/*': 'sahred://*' } })],
    ['under what is no name', () => createSecrets({ provider: 'env', providers: { 'a/b': 'dotenv' } })],
  ])('are refused %s', (_, create) => {
    expect(create).toThrow(expect.objectContaining({ code: 'invalid-config' }) as Error)
  })
})

describe('a provider that stands in `providers`', () => {
  it('is never searched, and is not made before it is needed', async () => {
    const [main, shared] = [foreign('main'), foreign('shared')]
    const secrets = createSecrets<string>({ provider: main.factory, providers: { shared: shared.factory }, references: { 'shared/*': 'shared://kv/*' } })
    expect(await secrets.getSecret('X')).toBe('main:X')
    expect([main.made.length, shared.made.length]).toEqual([1, 0])
    // A name is never parsed.
    expect(await secrets.getSecret('shared:/x')).toBe('main:shared:/x')
    expect(await secrets.getSecret('shared/x')).toBe('shared:kv/x')
    expect([main.made.length, shared.made.length]).toEqual([1, 1])
  })

  it('is reached through a scope as far as that is granted by name, and denied by place', async () => {
    const [main, shared] = [foreign('main'), foreign('shared')]
    const secrets = createSecrets<string>({ provider: main.factory, providers: { shared: shared.factory }, references: { 'shared/*': 'shared://kv/*', ALIAS: 'shared://kv/x' } })
    const scope = secrets.scope({ allow: ['*'], deny: ['shared/x'] })
    expect([await codeOf(() => scope.getSecret('shared/x')), await codeOf(() => scope.getSecret('ALIAS'))]).toEqual(['denied', 'denied'])
    // Of the same id elsewhere nothing was said.
    expect(await scope.getSecret('kv/x')).toBe('main:kv/x')
    expect(shared.made.flatMap(({ script }) => script.ids)).toEqual([])
  })

  it('has failures and pauses of its own', async () => {
    const [main, shared] = [createScriptable({ name: 'main' }), createScriptable({ name: 'shared' })]
    for (const backend of [main, shared]) backend.put('A', backend === main ? 'of main' : 'of shared')
    const secrets = createSecrets<string>({ provider: main.factory, providers: { shared: shared.factory }, references: { SHARED: 'shared://A' }, retry: false })
    shared.fail({}, { code: 'throttled', retryAfter: '30s' })
    expect(await outcomeBy(secrets.getSecret('SHARED'))).toMatchObject({ error: { code: 'throttled', provider: 'shared' } })
    expect(await secrets.getSecret('A')).toBe('of main')
    expect(await secrets.check()).toMatchObject({ main: { ok: true }, shared: { ok: false } })
    await secrets.close()
  })

  it('may be a member of the list that a reference names: only that one is asked', async () => {
    const [one, two] = [memoryStore({ A: 'one' }), foreign('two')]
    const secrets = createSecrets<string>({ provider: [one.factory, two.factory], references: { ONLY: 'two://A' } })
    expect([await secrets.getSecret('ONLY'), await secrets.getSecret('A'), await secrets.getSecret('B')]).toEqual(['two:A', 'one', 'two:B'])
  })
})

describe('a factory of a third party', () => {
  it('is given the setup, and called once for each place that it has', async () => {
    const { factory, made } = foreign('theirs')
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: factory, environment: 'test', clock })
    await Promise.all(['A', 'B', 'C'].map((name) => secrets.getSecret(name)))
    expect(made.map(({ setup: { environment, directory } }) => [environment, typeof directory])).toEqual([['test', 'string']])
  })

  it('has its provider told apart by the alias, in warnings and logins too', async () => {
    const events: AuditEvent[] = []
    const factory: ProviderFactory = (setup) => {
      setup.warn('one thing')
      setup.login({ outcome: 'ok', duration: 1 })
      return { name: 'theirs', get: async () => ({ value: 'canary' }), failure: () => undefined }
    }
    const secrets = createSecrets<string>({ provider: 'env', providers: { vault2: factory }, references: { A: 'vault2://x' }, audit: (event) => void events.push(event) })
    await secrets.getSecret('A')
    expect(events.map((event) => ('provider' in event ? `${event.type} ${event.provider}` : event.type))).toEqual(['warning vault2', 'login vault2', 'read vault2'])
  })

  it('that fails is told without its words, and tried again', async () => {
    let fails = true
    const secrets = createSecrets<string>({
      provider: async () => {
        if (fails) throw new TypeError('canary of the options')
        return { name: 'theirs', get: async () => ({ value: 'canary' }), failure: () => undefined }
      },
    })
    const failed = await outcomeBy(secrets.getSecret('A'))
    expect(failed).toMatchObject({ error: { code: 'invalid-config', message: expect.stringContaining('TypeError') as string } })
    expect(String((failed as { error: unknown }).error)).not.toContain('canary')
    fails = false
    expect(await secrets.getSecret('A')).toBe('canary')
  })

  it('whose provider cannot be used has what it made closed, each time', async () => {
    const taken = foreign('env')
    const secrets = createSecrets<string>({ provider: ['env', taken.factory] })
    expect(await codeOf(() => secrets.getSecret('NONE'))).toBe('invalid-config')
    // The other one is loaded in real time, and fails for the same.
    await expect.poll(() => codeOf(() => secrets.getSecret('NONE')).then(() => taken.made.length)).toBeGreaterThan(1)
    await settle()
    await secrets.close()
    expect(new Set(taken.made.map(({ closed }) => closed))).toEqual(new Set([1]))
  })
})

describe('`close()`', () => {
  it('closes what this root made, in the list and beside it, once, and nothing that it was given', async () => {
    const [one, shared, unused] = [foreign('one'), foreign('shared'), foreign('unused')]
    let closed = 0
    const given = new Script('given', {
      close: async () => {
        closed += 1
      },
    })
    given.answer = () => {
      throw new SecretError({ code: 'not-found' })
    }
    const secrets = createSecrets<string>({
      provider: [given.provider, one.factory],
      providers: { shared: shared.factory, unused: unused.factory, again: given.provider },
      references: { S: 'shared://x', AGAIN: 'again://x' },
    })
    await Promise.all(['A', 'S'].map((name) => secrets.getSecret(name)))
    await codeOf(() => secrets.getSecret('AGAIN'))
    await Promise.all([secrets.close(), secrets.close(), secrets[Symbol.asyncDispose]()])
    expect([one.made, shared.made, unused.made].map((made) => made.map((each) => each.closed))).toEqual([[1], [1], []])
    expect(closed).toBe(0)
    expect(await given.provider.get({ id: 'x' }, { signal: new AbortController().signal, timeout: 1 }).catch(() => 'still there')).toBe('still there')
  })

  it('leaves to another root what that one made', async () => {
    const { factory, made } = foreign('theirs')
    const [one, other] = [createSecrets<string>({ provider: factory }), createSecrets<string>({ provider: factory })]
    await Promise.all([one, other].map((secrets) => secrets.getSecret('A')))
    await one.close()
    expect(made.map(({ closed }) => closed)).toEqual([1, 0])
    expect(await other.getSecret('B')).toBe('theirs:B')
    await other.close()
  })

  it('ends in time although a provider will not close, and closes the others', async () => {
    const clock = createFakeClock()
    const stuck = foreign('stuck', { close: hang as unknown as () => Promise<void> })
    const other = foreign('other')
    const secrets = createSecrets<string>({ provider: stuck.factory, providers: { other: other.factory }, references: { O: 'other://x' }, clock })
    await Promise.all(['A', 'O'].map((name) => secrets.getSecret(name)))
    const closing = outcomeBy(secrets.close())
    await clock.advanceAsync(10_000)
    await settle()
    expect(await closing).toBeUndefined()
    expect(other.made.map(({ closed }) => closed)).toEqual([1])
    expect(await codeOf(() => secrets.getSecret('A'))).toBe('closed')
  })
})
