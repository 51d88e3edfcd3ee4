import { describe, expect, it } from 'vitest'
import { createSecrets, type SecretsOptions } from '../../src/index.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable } from '../providers/scriptable/index.js'
import { byCall, Script, unhandledDuring } from '../read/scripted-provider.js'

function create(options: Partial<SecretsOptions> = {}) {
  const script = new Script()
  script.answer = byCall
  return { script, secrets: createSecrets<string>({ provider: script.provider, ...options }) }
}

/** A signal that lets itself be listened to, and throws when that is to end. */
function holdingSignal(): AbortSignal {
  const { signal } = new AbortController()
  Object.defineProperty(signal, 'removeEventListener', {
    value: () => {
      throw new Error('thrown where nobody waits')
    },
  })
  return signal
}

describe('a signal whose members throw', () => {
  it('keeps no scope from ending: leases are revoked, reads refused, and nothing is thrown in a timer', async () => {
    const clock = createFakeClock()
    const scriptable = createScriptable({ clock })
    scriptable.put('dynamic/db', (count) => `password-${count}`)
    scriptable.put('A', 'one')
    const secrets = createSecrets<string>({ provider: scriptable.factory, clock })
    const unhandled = await unhandledDuring(async () => {
      for (const end of ['revoke', 'expire'] as const) {
        const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'dynamic/db'], expiresIn: '1m' })
        await scope.watchSecret('A', { signal: holdingSignal() })[Symbol.asyncIterator]().next()
        await scope.getSecret('dynamic/db')
        expect(scriptable.leases.length).toBe(1)
        if (end === 'revoke') await scope.revoke()
        else await clock.advanceAsync(60_000)
        expect(scriptable.leases.length).toBe(0)
        await expect(scope.getSecret('A')).rejects.toMatchObject({ code: 'denied' })
      }
      await secrets.close()
    })
    expect(unhandled).toEqual([])
  })
})

describe('scopes of scopes', () => {
  it('are bounded, so that none can be made whose end would not come about', async () => {
    const { secrets } = create()
    const first = secrets.scope({ allow: ['A'] })
    let last = first
    expect(() => {
      for (let depth = 0; depth < 10_000; depth++) last = last.scope({ allow: ['A'] })
    }).toThrow(/nested deeper than 100 scopes/)
    expect(await last.getSecret('A')).toBe('canary-A-1')
    await first.revoke()
    await expect(first.getSecret('A')).rejects.toMatchObject({ code: 'denied', reason: 'revoked' })
    await expect(last.getSecret('A')).rejects.toMatchObject({ code: 'denied', reason: 'revoked' })
  })
})

describe('a list of names without measure', () => {
  it('is read, each name once', async () => {
    const { secrets, script } = create()
    const names = Array.from({ length: 40_000 }, (_, index): `x/${string}` => `x/${index}`)
    const values = await secrets.scope({ allow: ['x/*'] }).getSecrets(names)
    expect([Object.keys(values).length, script.calls.length]).toEqual([40_000, 40_000])
    await secrets.close()
  }, 60_000)
})

describe('names and options that throw', () => {
  it.each([
    ['the first of all', true],
    ['a later read', false],
  ])('are refused by getSecrets without a word of theirs: %s', async (_what, isFirst) => {
    const hostile = (): never[] =>
      new Proxy([] as never[], {
        get: () => {
          throw new Error('canary of a Proxy')
        },
      })
    const { secrets } = create()
    if (!isFirst) await secrets.getSecret('A')
    for (const read of [() => secrets.getSecrets(hostile()), () => secrets.getSecrets(['A'], hostile())]) {
      await expect(Promise.resolve().then(read)).rejects.toMatchObject({ code: 'invalid-config' })
      expect(() => void read().catch(() => undefined)).not.toThrow()
    }
  })
})
