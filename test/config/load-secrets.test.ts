import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { defineConfig, loadSecrets, type KeywardConfig } from '../../src/config/index.js'
import { prepareTool } from '../../src/seam.js'
import { makeFolder } from './folders.js'

const canary = 'canary-55aa10-value'
const memory = (value: string) => ({ provider: { name: 'memory', secrets: { A: value, B: value } } }) as const
const config = defineConfig({
  secrets: { A: {}, B: {} },
  agents: { researcher: { allow: ['A'] } },
  environments: { development: memory('of development'), production: memory('of production') },
})

beforeEach(() => vi.stubEnv('KEYWARD_ENV', ''))
afterEach(() => vi.unstubAllEnvs())

describe('loadSecrets', () => {
  it('reads from the environment that was chosen', async () => {
    await using secrets = await loadSecrets({ config, environment: 'production' })
    expect(secrets.environment).toBe('production')
    expect(await secrets.getSecret('A')).toBe('of production')
    vi.stubEnv('KEYWARD_ENV', 'development')
    await using others = await loadSecrets({ config })
    expect(await others.getSecret('A')).toBe('of development')
  })

  it('grants an agent what the config declares', async () => {
    await using secrets = await loadSecrets({ config, environment: 'production' })
    const researcher = secrets.agent('researcher')
    expect(await researcher.getSecret('A')).toBe('of production')
    await expect(researcher.getSecret('B')).rejects.toMatchObject({ code: 'denied' })
  })

  it('refuses a scope with a name that the config does not declare, which would deny or grant nothing', async () => {
    await using secrets = await loadSecrets({ config, environment: 'production' })
    const typo = { ...config, secrets: { STRIPE_KEY: {}, OPENAI_API_KEY: {} }, agents: {} } as KeywardConfig
    await using others = await loadSecrets({ config: typo, environment: 'production' })
    const failure = (grant: { allow: string[]; deny?: string[] }): unknown => {
      try {
        return (others.scope as (grant: object) => unknown)(grant)
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(failure({ allow: ['*'], deny: ['STRIP_KEY'] })).toContain('grant.deny has a name that `secrets` does not declare; did you mean "STRIPE_KEY"?')
    expect(failure({ allow: ['OPENAI_KEY'] })).toContain('grant.allow has a name that `secrets` does not declare')
    expect(failure({ allow: ['OPEN*', 'STRIPE_KEY'], deny: ['prod/*'] })).toMatchObject({ agent: undefined })
    // Of a tool too.
    expect(() => prepareTool(others as never, { tool: 'pay', allow: ['STRIP_KEY'] })).toThrow('options.allow has a name')
    const scope = secrets.scope({ allow: ['A'] })
    expect(() => (scope.scope as (grant: object) => unknown)({ allow: ['AA'] })).toThrow('grant.allow has a name')
  })

  it('is not changed by what becomes of the config', async () => {
    const mine = { agents: { researcher: { allow: ['A'] } }, environments: { production: { provider: { name: 'memory' as const, secrets: { A: 'first' } } } } }
    await using secrets = await loadSecrets({ config: mine })
    mine.agents.researcher.allow.push('*')
    mine.environments.production.provider.secrets.A = 'second'
    expect(await secrets.getSecret('A')).toBe('first')
    await expect(secrets.agent('researcher').getSecret('B')).rejects.toMatchObject({ code: 'denied' })
  })

  it('finds the config and the .env beside it', async () => {
    const folder = await makeFolder({
      'package.json': '{}',
      'keyward.config.json': '{ "environments": { "development": { "provider": "dotenv" } } }',
      '.env': 'KEYWARD_TEST_A=from the folder',
      'src/deep/': '',
    })
    await using secrets = await loadSecrets({ directory: join(folder, 'src/deep') })
    expect(await secrets.getSecret('KEYWARD_TEST_A')).toBe('from the folder')
  })

  it('says where a path goes that is passed as the config', async () => {
    await expect(loadSecrets({ config: './keyward.config.ts' as never })).rejects.toThrow('goes into `directory`')
  })

  it('takes `directory` for a config that is passed', async () => {
    const folder = await makeFolder({ '.env': 'KEYWARD_TEST_A=from the folder' })
    await using secrets = await loadSecrets({ directory: folder, config: { environments: { development: { provider: 'dotenv' } } } })
    expect(await secrets.getSecret('KEYWARD_TEST_A')).toBe('from the folder')
  })

  it('names the file and the path where the read room refuses the chosen environment', async () => {
    const folder = await makeFolder({
      'package.json': '{}',
      'keyward.config.json': '{ "environments": { "local": { "provider": "env" }, "production": { "provider": ["env", "env"] } } }',
    })
    await expect(loadSecrets({ directory: folder, environment: 'production' })).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringMatching(/keyward\.config\.json: environments\.production\.provider/) as string,
    })
    await using secrets = await loadSecrets({ directory: folder, environment: 'local' })
    expect(secrets.environment).toBe('local')
  })

  it.each([
    ['a misspelt option', { enviroment: canary }, 'loadSecrets: enviroment is not an option; did you mean "environment"?'],
    ['an environment of no type', { environment: [canary] }, 'loadSecrets: environment is not a string'],
    ['an empty environment', { environment: '' }, 'loadSecrets: environment is empty'],
    ['a directory of no type', { directory: { path: canary } }, 'loadSecrets: directory is not a string'],
    ['text', canary, 'loadSecrets: its argument is not a plain object'],
    ['a config that is text', { config: canary }, 'loadSecrets: config is a text'],
    ['a config that is null', { config: null }, 'config is not a plain object'],
    ['an environment that is not there', { config, environment: canary }, 'config: environments has none of the name that the `environment` option says'],
  ])('refuses %s', async (_, options, expected) => {
    const failure = await loadSecrets(options as never).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'invalid-config' })
    expect((failure as Error).message).toContain(expected)
    expect((failure as Error).message).not.toContain(canary)
  })
})
