/** What a tool tells piece by piece, and what becomes of it on the way. */
import { describe, expect, it } from 'vitest'
import { guardFunction } from '../../src/agents/guard.js'
import { getSecret, guard } from '../../src/agents/index.js'
import { watchShared } from '../../src/agents/shared.js'
import { createSecrets } from '../../src/index.js'
import { here } from '../../src/seam.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
const grant = { secrets, tool: 'search', allow: ['KEY'] } as const

describe('a stream of a tool', () => {
  it('leaves what it shares clean at each piece, and not only at its end', async () => {
    const shared: Record<string, unknown> = {}
    async function* tell(given: Record<string, unknown>): AsyncGenerator<number> {
      const value = await getSecret('KEY')
      for (const index of [1, 2]) {
        given['told'] = `${index} ${value}`
        yield index
      }
    }
    const guarded = guardFunction(tell as never, { ...grant }, {}, (values, call) => {
      call.after(watchShared(call, values[0]))
      return values
    }) as typeof tell
    for await (const index of guarded(shared)) expect(shared).toEqual({ told: `${index} ${marker}` })
  })

  // Where it was made by a function, that has run, and so has a scope to end.
  it.each(['async', 'not async'])('that is closed before anybody began to go through it ends its scope: %s', async (kind) => {
    let place: ReturnType<typeof here> | undefined
    const make = guard(() => {
      place = here()
      return kind === 'async'
        ? (async function* () {
            yield 1
          })()
        : (function* () {
            yield 1
          })()
    }, grant)
    await secrets.getSecret('KEY')
    const told = make()
    expect(place?.ended).toBeUndefined()
    await told.return(undefined)
    expect(place?.ended).toBe('tool-ended')
  })

  // As many characters are held back as a value has: they are told before the error is.
  it('that fails tells what it had told by then', async () => {
    const told: string[] = []
    const failing = guard(async function* () {
      yield 'ab'
      yield 'c'
      throw new Error(`401: ${await getSecret('KEY')}`)
    }, grant)
    await expect(
      (async () => {
        for await (const piece of failing()) told.push(piece)
      })(),
    ).rejects.toThrow(`401: ${marker}`)
    expect(told.join('')).toBe('abc')
  })
})

it('a promise within a result that fails while nobody waits is no fault of the process', async () => {
  const faults: unknown[] = []
  const listen = (fault: unknown): void => void faults.push(fault)
  process.on('unhandledRejection', listen)
  const failing = guard(async () => {
    const value = await getSecret('KEY')
    return { later: (async () => Promise.reject(new Error(value)))() }
  }, grant)
  const { later } = await failing()
  await new Promise((resolve) => void setTimeout(resolve, 20))
  process.off('unhandledRejection', listen)
  expect(faults).toEqual([])
  await expect(later).rejects.toThrow(marker)
})

it('the status text of a response is clean as well', async () => {
  const answer = guard(async () => new Response('clean', { status: 401, statusText: `no ${await getSecret('KEY')}` }), grant)
  const { status, statusText } = await answer()
  expect([status, statusText]).toEqual([401, `no ${marker}`])
})
