/** What must compile, and what must not. */
import {
  createSecrets,
  defineConfig,
  loadSecrets,
  isSecretError,
  SecretError,
  type Secrets,
  type Scope,
  type JsonValue,
  type SecretOutcome,
  type StandardSchemaV1,
  type SecretProvider,
  type ProviderFactory,
} from 'keyward'
import { bindScope, guard, getSecret, placeholder, scopedFetch } from 'keyward/agents'
import { withSecrets } from 'keyward/langchain'
import { withSecrets as withAiSdk } from 'keyward/ai-sdk'
import { withSecrets as withOpenAi } from 'keyward/openai-agents'

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- two functions are the same type only where their conditional types are
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function expectType<Expected>(): <Actual>(value: Actual, same: Equal<Expected, Actual>) => void

const config = defineConfig({
  secrets: {
    OPENAI_API_KEY: { origins: ['https://api.openai.com'], inject: { header: 'authorization', prefix: 'Bearer ' }, rotateEvery: '90d' },
    STRIPE_KEY: { cache: { ttl: '1m' } },
    'search/google': {},
    'search/bing': {},
  },
  agents: { researcher: { allow: ['OPENAI_API_KEY', 'search/*'] }, biller: { allow: ['STRIPE_KEY'], enforcement: 'backend' } },
  environments: {
    development: { provider: 'dotenv' },
    production: {
      provider: { name: 'aws', region: 'eu-west-1' },
      providers: { shared: { name: 'vault', address: 'https://vault:8200' } },
      references: { OPENAI_API_KEY: 'prod/agents/openai#api_key', 'search/*': 'shared://kv/search/*' },
    },
  },
})
declare module 'keyward' {
  interface Register {
    config: typeof config
  }
}

export function configs() {
  // @ts-expect-error an agent granted a name that is not there
  defineConfig({ secrets: { A: {} }, agents: { a: { allow: ['B'] } }, environments: { development: { provider: 'dotenv' } } })
  // @ts-expect-error a reference for a name that is not there
  defineConfig({ secrets: { A: {} }, environments: { development: { provider: 'dotenv', references: { B: 'x' } } } })
  // @ts-expect-error a misspelt provider option
  createSecrets({ provider: { name: 'aws', regoin: 'eu-west-1' } })
  // @ts-expect-error a bare number has no unit
  createSecrets({ provider: 'dotenv', timeout: 300 })
}

export async function reads(secrets: Secrets, schema: StandardSchemaV1<unknown, { user: string; password: string }>) {
  expectType<string>()(await secrets.getSecret('OPENAI_API_KEY'), true)
  expectType<string | undefined>()(await secrets.getSecret('STRIPE_KEY', { default: undefined }), true)
  expectType<JsonValue>()(await secrets.getSecret('STRIPE_KEY', { as: 'json' }), true)
  expectType<Uint8Array>()(await secrets.getSecret('STRIPE_KEY', { as: 'bytes' }), true)
  expectType<{ user: string; password: string } | null>()(await secrets.getSecret('STRIPE_KEY', { schema, default: null }), true)
  const options = { as: 'json', fresh: true } as const
  // @ts-expect-error options in a variable do not lie
  const text: string = await secrets.getSecret('STRIPE_KEY', options)
  expectType<{ OPENAI_API_KEY: string; STRIPE_KEY: string }>()(await secrets.getSecrets(['OPENAI_API_KEY', 'STRIPE_KEY']), true)
  expectType<{ OPENAI_API_KEY: SecretOutcome }>()(await secrets.getSecrets(['OPENAI_API_KEY'], { partial: true }), true)
  expectType<number>()(await secrets.useSecret('STRIPE_KEY', (key) => key.length), true)
  expectType<string>()(await secrets.useSecret('STRIPE_KEY', ({ user, password }, { version }) => `${user}${password}${version}`, { schema }), true)
  // @ts-expect-error a name that the config does not know
  await secrets.getSecret('OPENAI_API_KYE')
  // @ts-expect-error not one of the units
  await secrets.getSecret('STRIPE_KEY', { maxAge: '5 minutes' })
  // @ts-expect-error a misspelt option
  await secrets.getSecret('STRIPE_KEY', { refresh: true })
  // @ts-expect-error one version for many names means nothing
  await secrets.getSecrets(['STRIPE_KEY'], { version: '3' })
  return text
}

export async function scopes() {
  await using secrets = await loadSecrets()
  const researcher = secrets.scope({ agent: 'researcher', allow: ['OPENAI_API_KEY', 'search/*'] })
  await researcher.getSecret('search/google')
  // @ts-expect-error not granted: does not compile
  await researcher.getSecret('STRIPE_KEY')
  const narrower = researcher.scope({ tool: 'ask', allow: ['OPENAI_API_KEY', 'STRIPE_KEY'] })
  await narrower.getSecret('OPENAI_API_KEY')
  // @ts-expect-error a child cannot widen
  await narrower.getSecret('STRIPE_KEY')
  // @ts-expect-error a scope does not lead back to the root
  researcher.agent('researcher')
  await secrets.agent('researcher').getSecret('search/bing')
  // @ts-expect-error an agent gets what the config declares for it
  await secrets.agent('researcher').getSecret('STRIPE_KEY')
  // @ts-expect-error an agent that the config does not know
  secrets.agent('reseacher')
  // a scope stands wherever secrets may, a narrower one where a wider one is needed does not
  const view: Secrets<'OPENAI_API_KEY'> = researcher
  await view.getSecret('OPENAI_API_KEY')
  const charge = (needs: Secrets<'OPENAI_API_KEY' | 'STRIPE_KEY'>) => needs.getSecret('STRIPE_KEY')
  // @ts-expect-error too narrow for what the function reads
  await charge(researcher)
  // @ts-expect-error only a root can be closed
  await researcher.close()
  const scope: Scope<'STRIPE_KEY'> = secrets.agent('biller')
  await scope.revoke()
}

export async function tools(secrets: Secrets<'OPENAI_API_KEY' | 'STRIPE_KEY'>) {
  expectType<string>()(await getSecret('STRIPE_KEY'), true)
  expectType<JsonValue>()(await getSecret('STRIPE_KEY', { as: 'json' }), true)
  // @ts-expect-error a name that the config does not know
  await getSecret('STRPE_KEY')
  const password = async (user: string, isFresh?: boolean) => `${user}${isFresh}${await secrets.getSecret('STRIPE_KEY')}`
  expectType<typeof password>()(bindScope(password), true)
  // @ts-expect-error nothing that can be called
  bindScope('STRIPE_KEY')
  const lookup = {
    name: 'lookup' as const,
    schema: { type: 'object' },
    run: async (input: { id: number }) => ({ id: input.id, key: await getSecret('STRIPE_KEY', { as: 'redacted' }) }),
  }
  const wrapped = withSecrets(lookup, { secrets, allow: ['STRIPE_KEY'] })
  expectType<typeof lookup>()(wrapped, true)
  withSecrets({ lookup, other: lookup }, { secrets, allow: { lookup: ['STRIPE_KEY'] } })
  expectType<[typeof lookup, typeof lookup]>()(withSecrets([lookup, lookup], { secrets, allow: { lookup: ['STRIPE_KEY'] } }), true)
  // @ts-expect-error a tool cannot be granted what its view lacks
  withSecrets(lookup, { secrets, allow: ['search/google'] })
  expectType<typeof lookup.run>()(guard(lookup.run, { secrets, tool: 'lookup', allow: ['STRIPE_KEY'] }), true)
  // @ts-expect-error misspelt
  guard(lookup.run, { secrets, tool: 'lookup', allow: ['STRPE_KEY'] })
  return { apiKey: placeholder, fetch: scopedFetch('OPENAI_API_KEY', { secrets }) }
}

export function fetches(secrets: Secrets<'STRIPE_KEY'>) {
  expectType<typeof fetch>()(scopedFetch('STRIPE_KEY', { secrets, origins: ['https://api.stripe.com'], methods: ['POST'], paths: ['/v1/*'], inject: { header: 'x' }, fetch }), true)
  expectType<string>()(placeholder, true)
  scopedFetch('STRIPE_KEY', { inject: { sign: async ({ method, url, body }, secret) => ({ authorization: `${method}${url}${body?.length}${secret.length}` }) } })
  // @ts-expect-error a name that the config does not know
  scopedFetch('STRPE_KEY')
  // @ts-expect-error a misspelt option
  scopedFetch('STRIPE_KEY', { origin: ['https://api.stripe.com'] })
  // @ts-expect-error a signature is of headers
  scopedFetch('STRIPE_KEY', { inject: { sign: () => 'signed' } })
}

export function untyped() {
  const secrets = createSecrets<string>({ provider: ['env', { name: 'vault', address: 'https://vault:8200' }], cache: { ttl: '1m' } })
  const names: string[] = ['A', 'B']
  return secrets
    .scope({ allow: names })
    .getSecret('whatever')
    .catch((error: unknown) => isSecretError(error, 'denied') && error.deniedBy)
}

export const ownProvider: SecretProvider = {
  name: 'own',
  get: async ({ id }) => {
    if (id === 'gone') throw new SecretError({ code: 'not-found', reason: 'deleted' })
    return { value: `value of ${id}`, version: '1' }
  },
  failure: () => undefined,
}
export const ownFactory =
  (project: string): ProviderFactory =>
  ({ clock, warn }) => ({
    ...ownProvider,
    locate: (name) => ({ id: `${project}/${name}` }),
    check: async () => {
      if (clock.now() < 0) warn('never')
    },
  })
createSecrets<string>({ provider: ownProvider })
createSecrets<string>({ provider: ownFactory('p'), providers: { other: ownFactory('q') } })

/** All adapters have one shape. */
export const adapters: readonly (typeof withSecrets)[] = [withAiSdk, withOpenAi]
