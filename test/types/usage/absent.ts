/** What belongs to later versions is not declared: nobody can write code that compiles and does nothing. */
import { createSecrets, type RootSecrets, type Scope, type Secrets } from 'keyward'
import type * as door from 'keyward'
import type * as provider from 'keyward/provider'

type Later = 'putSecret' | 'deleteSecret' | 'listSecrets' | 'check' | 'redact' | 'redactStream'
type Absent<Type, Key extends PropertyKey> = Extract<keyof Type, Key> extends never ? true : false

export const absent: readonly [
  Absent<Secrets, Later>,
  Absent<Scope, Later | 'close' | 'environment'>,
  Absent<RootSecrets, Later>,
  Absent<typeof door, 'watchSecret' | 'getSecret' | 'guard' | 'bindScope' | 'scopedFetch' | 'placeholder' | 'withSecrets'>,
] = [true, true, true, true]
export const members: readonly [keyof Secrets, keyof RootSecrets] = ['getSecret', 'close']
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
// @ts-expect-error a later option
createSecrets<string>({ provider: 'env', outsideTools: 'deny' })

export async function calls(root: RootSecrets<string>, scope: Scope<string>) {
  // @ts-expect-error a later member
  await root.putSecret('A', 'x')
  // @ts-expect-error a later member
  await root.deleteSecret('A')
  // @ts-expect-error a later member
  root.listSecrets()
  // @ts-expect-error a later member
  await root.check()
  // @ts-expect-error a later member
  root.redact('x')
  // @ts-expect-error a later member
  root.redactStream()
  // @ts-expect-error a scope is not the root
  void scope.environment
  // @ts-expect-error what a view is made of cannot be replaced
  scope.getSecret = root.getSecret
  // @ts-expect-error an internal parameter
  new (await import('keyward')).SecretError({ code: 'denied' }, { secret: 'A' })
}
