import { systemClock, type Clock } from '../../src/clock.js'
import type { CallContext, ProviderFactory, ProviderSetup, SecretProvider } from '../../src/provider.js'

export const context: CallContext = { signal: new AbortController().signal, timeout: 10_000 }

export function createSetup({
  environment,
  directory = '.',
  clock = systemClock,
  warnings = [],
}: { environment?: string; directory?: string; clock?: Clock; warnings?: string[] } = {}): ProviderSetup {
  return { environment, directory, clock, warn: (warning) => void warnings.push(warning), conceal: () => undefined, login: () => undefined }
}

export async function make(factory: ProviderFactory, setup: Parameters<typeof createSetup>[0] = {}): Promise<SecretProvider> {
  return factory(createSetup(setup))
}

export async function read(provider: SecretProvider, id: string): Promise<unknown> {
  return (await provider.get({ id }, context)).value
}

/** What a promise is rejected with. */
export async function failureOf(promise: Promise<unknown> | undefined): Promise<Error> {
  const error: unknown = await Promise.resolve(promise).then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  )
  return error as Error
}

/** Runs with these variables, undefined for none, and puts back what was there. */
export async function withVariables<Result>(variables: Readonly<Record<string, string | undefined>>, run: () => Promise<Result> | Result): Promise<Result> {
  const before = Object.keys(variables).map((name) => [name, Object.hasOwn(process.env, name) ? process.env[name] : undefined] as const)
  const set = (name: string, value: string | undefined): void => {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  for (const [name, value] of Object.entries(variables)) set(name, value)
  try {
    return await run()
  } finally {
    for (const [name, value] of before) set(name, value)
  }
}
