/** What holds for every provider over HTTP whose service fails. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { createSecrets, RootSecrets, SecretError } from '../../src/index.js'
import type { Fault } from '../servers/fault-proxy.js'

/** A name, how the service fails, and what the error of a read has to be. */
export type FaultCase = readonly [string, Fault, Readonly<Record<string, unknown>>]

interface Faulty {
  /** What is behind the service's faults: the secrets `key` and `held` have this value. */
  readonly value: string
  open(options: Partial<Parameters<typeof createSecrets<string>>[0]>): RootSecrets<string>
  spoil(fault: Fault | undefined): void
  /** What a read fails with, once nothing of a secret was found in it. */
  errorOf(promise: Promise<unknown>): Promise<SecretError>
}

export function survivesFaults(what: string, cases: readonly FaultCase[], { value, open, spoil, errorOf }: Faulty): void {
  describe.each(cases)(`${what} that answers %s`, (_, fault, expected) => {
    it('fails a read so, and not a later one', { timeout: 30_000 }, async () => {
      const secrets = open({ cache: false, timeout: '2s' })
      expect(await secrets.getSecret('key')).toBe(value)
      spoil(fault)
      const startedAt = Date.now()
      expect(await errorOf(secrets.getSecret('key'))).toMatchObject(expected)
      expect(Date.now() - startedAt).toBeLessThan(5_000)
      spoil(undefined)
      await expect.poll(() => secrets.getSecret('key').catch(({ code }: { code: string }) => code), { timeout: 10_000 }).toBe(value)
    })

    it('leaves what is held to be served, where it says nothing of the secret', async () => {
      const secrets = open({ cache: { ttl: '1ms', staleIfError: '1h' }, timeout: '2s' })
      expect(await secrets.getSecret('held')).toBe(value)
      await new Promise((resolve) => setTimeout(resolve, 20))
      spoil(fault)
      const mayServe = ['unavailable', 'throttled', 'timeout'].includes(expected['code'] as string)
      if (mayServe) expect(await secrets.getSecret('held')).toBe(value)
      else expect(await errorOf(secrets.getSecret('held'))).toMatchObject(expected)
    })
  })
}

/** A call that is given up a moment after it began leaves no rejection behind that nobody hears: it would end the process. */
export async function leavesNothingUnheard(open: () => RootSecrets<string>): Promise<void> {
  const unheard: unknown[] = []
  const hear = (reason: unknown): void => void unheard.push(reason)
  process.on('unhandledRejection', hear)
  try {
    for (let turns = 0; turns < 16; turns += 1) {
      const secrets = open()
      await secrets.getSecret('key')
      const read = secrets.getSecret('held').catch(() => undefined)
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      await secrets.close()
      await read
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(unheard).toEqual([])
  } finally {
    process.off('unhandledRejection', hear)
  }
}

/** What a promise is rejected with. Neither it nor anything else that is shown holds one of the secrets. */
export async function errorWithout(secrets: readonly string[], promise: Promise<unknown>, shownElsewhere: unknown): Promise<SecretError> {
  const error: unknown = await promise.then(
    () => expect.fail('it did not fail'),
    (reason: unknown) => reason,
  )
  const shown = `${inspect(error, { depth: 10, showHidden: true, getters: true })} ${String(error)} ${JSON.stringify(error)} ${JSON.stringify(shownElsewhere)}`
  for (const secret of secrets) expect(shown).not.toContain(secret)
  return error as SecretError
}
