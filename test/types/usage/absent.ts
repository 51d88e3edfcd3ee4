/** What belongs to later versions is not declared: nobody can write code that compiles and does nothing. */
import { createSecrets, type RootSecrets, type Scope, type Secrets } from 'keyward'
import type * as door from 'keyward'
import type * as agents from 'keyward/agents'
import type * as provider from 'keyward/provider'

/** Of the root alone. */
type Operators = 'putSecret' | 'deleteSecret' | 'listSecrets' | 'check' | 'redact' | 'redactStream'
type Absent<Type, Key extends PropertyKey> = Extract<keyof Type, Key> extends never ? true : false

export const absent: readonly [
  Absent<Secrets, Operators>,
  Absent<Scope, Operators | 'close' | 'environment'>,
  Absent<typeof door, 'watchSecret' | 'getSecret' | 'guard' | 'bindScope' | 'scopedFetch' | 'placeholder' | 'withSecrets'>,
  Absent<typeof agents, 'ToolGuard' | 'withSecrets' | 'prepareTool' | 'runAt' | 'carrierOf'>,
] = [true, true, true, true]
export const members: readonly [keyof Secrets, keyof RootSecrets] = ['getSecret', 'close']
export const operators: { readonly [Key in Operators]: Key extends keyof RootSecrets ? true : never } = {
  putSecret: true,
  deleteSecret: true,
  listSecrets: true,
  check: true,
  redact: true,
  redactStream: true,
}
export type Provider = provider.SecretProvider

/** What is there, so that an empty declaration file does not pass. */
export const present: Record<'getSecret' | 'getSecrets' | 'describeSecret' | 'useSecret' | 'invalidate' | 'scope' | 'watchSecret', true> &
  Record<Exclude<keyof Secrets, 'getSecret' | 'getSecrets' | 'describeSecret' | 'useSecret' | 'invalidate' | 'scope' | 'watchSecret'>, never> = {
  getSecret: true,
  getSecrets: true,
  describeSecret: true,
  useSecret: true,
  invalidate: true,
  scope: true,
  watchSecret: true,
}

createSecrets<string>({ provider: 'env', authorize: () => undefined })
// @ts-expect-error a verdict is a rejection, not a boolean
createSecrets<string>({ provider: 'env', authorize: () => false })
createSecrets<string>({ provider: 'env', outsideTools: 'deny' })
// @ts-expect-error neither allowed nor denied
createSecrets<string>({ provider: 'env', outsideTools: 'refuse' })

export async function calls(root: RootSecrets<string>, scope: Scope<string>) {
  const { version } = await root.putSecret('A', 'x', { ifVersion: null, idempotencyKey: 'k', stage: 's', expiresAt: new Date(), contentType: 't', signal: AbortSignal.timeout(1) })
  await root.putSecret('A', { user: 'u', ports: [1] }, version === undefined ? {} : { ifVersion: version })
  await root.putSecret('A', new Uint8Array())
  // @ts-expect-error a field that JSON has not
  await root.putSecret('A', { a: undefined })
  // @ts-expect-error a misspelt option
  await root.putSecret('A', 'x', { ifversion: '1' })
  await root.deleteSecret('A', { signal: AbortSignal.timeout(1) })
  for await (const { name, provider, reference } of root.listSecrets({ prefix: 'A' })) void [name, provider, reference]
  for (const [provider, result] of Object.entries(await root.check())) void [provider, result.ok ? undefined : result.error.code]
  // @ts-expect-error the root's alone
  await scope.putSecret('A', 'x')
  const cleaned: string = root.redact('x')
  const stream: TransformStream<Uint8Array, Uint8Array> = root.redactStream()
  void [cleaned, stream]
  // @ts-expect-error a scope is not the root
  void scope.environment
  // @ts-expect-error what a view is made of cannot be replaced
  scope.getSecret = root.getSecret
  // @ts-expect-error an internal parameter
  new (await import('keyward')).SecretError({ code: 'denied' }, { secret: 'A' })
}
