import type { ProviderFactory, SecretProvider } from '../provider.js'

/** What a provider's tests tell the kit about its backend. Made anew for each case. */
export interface ConformanceHarness {
  /** The provider under test: an instance, or what its factory returned. */
  provider(): Promise<SecretProvider | ProviderFactory>
  /**
   * Stores secrets, by id. `seed`, `rotate`, `remove` and `deny` take ids: the kit asks `locate` first. A backend of records stores text that is
   * a JSON object as the record, and other text as `{ value: text }`.
   */
  seed(secrets: Readonly<Record<string, string>>): Promise<void>
  /** Gives a secret a new value, and where the backend has versions a new version. */
  rotate?(id: string, value: string): Promise<void>
  /** Takes a secret away, for good or to be recovered. */
  remove?(id: string): Promise<void>
  /** Makes the backend refuse this secret to the provider's identity. */
  deny?(id: string): Promise<void>
  /**
   * Makes the backend lend one secret, each `get` of which comes with a lease, and returns its id. Needed where the provider has `renew` or `revoke`, unless what
   * `seed` stores is leased as well.
   */
  seedLeased?(): Promise<string>
  /** Makes the backend fail this way until the returned function is called. `timeout`: it takes the call and does not answer. */
  fail?(kind: 'unavailable' | 'throttled' | 'timeout' | 'unauthenticated'): Promise<() => Promise<void>>
  /** Cases that the backend itself cannot have, by the case's name, each with its reason. */
  skips?: Readonly<Record<string, string>>
  /** Ends what was started for the case: servers, files, connections. */
  close(): Promise<void>
}
