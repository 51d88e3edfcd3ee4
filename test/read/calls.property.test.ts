import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSecrets, isSecretError, type AuditEvent, type Secrets } from '../../src/index.js'
import type { SecretErrorCode } from '../../src/provider.js'
import { Gate } from '../../src/read/gate.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable } from '../providers/scriptable/index.js'
import { settle, unhandledDuring } from './scripted-provider.js'

type Turn = { ask: number } | { end: number; how: 'answer' | 'fail' | 'abort' } | { settle: true }
const turn: fc.Arbitrary<Turn> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ask: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ end: fc.nat(30), how: fc.constantFrom('answer', 'fail', 'abort') }) },
  { weight: 1, arbitrary: fc.constant({ settle: true } as const) },
)

it('a gate lets so many through and no more, loses no place, and takes turns', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(turn, { maxLength: 60 }), async (width, turns) => {
      const gate = new Gate(width)
      interface Asked {
        asker: number
        controller: AbortController
        state: 'waits' | 'runs' | 'over'
        /** Calls of others that began while it waited, by asker. */
        passed: Map<number, number>
        finish(how: 'answer' | 'fail'): void
      }
      const all: Asked[] = []
      const begin = (asked: Asked): void => {
        asked.state = 'runs'
        for (const other of all) if (other.state === 'waits' && other.asker !== asked.asker) other.passed.set(asked.asker, (other.passed.get(asked.asker) ?? 0) + 1)
        expect(all.filter(({ state }) => state === 'runs').length).toBeLessThanOrEqual(width)
      }
      const ask = (asker: number): void => {
        const asked: Asked = { asker, controller: new AbortController(), state: 'waits', passed: new Map(), finish: () => undefined }
        all.push(asked)
        const run = (): Promise<void> => {
          begin(asked)
          return new Promise((resolve, reject) => {
            asked.finish = (how) => {
              asked.state = 'over'
              if (how === 'answer') resolve()
              else reject(new Error('failed'))
            }
          })
        }
        void gate.run(asker, asked.controller.signal, run).catch(() => undefined)
      }
      for (const step of turns) {
        if ('ask' in step) ask(step.ask)
        else if ('settle' in step) await settle()
        else {
          const asked = all[step.end % Math.max(1, all.length)]
          if (asked === undefined || asked.state === 'over') continue
          if (step.how === 'abort') {
            asked.state = 'over'
            asked.controller.abort()
          } else if (asked.state === 'runs') asked.finish(step.how)
        }
      }
      // Whoever waits is let through in the end.
      for (let left = all.length + 1; left > 0; left--) {
        await settle()
        const running = all.filter(({ state }) => state === 'runs')
        const waits = all.some(({ state }) => state === 'waits')
        expect(running.length === width || !waits).toBe(true)
        running[0]?.finish('answer')
      }
      expect(all.filter(({ state }) => state !== 'over')).toEqual([])
      // The first of an asker lets each other one pass as often as there is a place, and once more where that one stood before it.
      for (const { asker, passed } of all) {
        const isFirst = all.filter((other) => other.asker === asker).length === 1
        if (isFirst) for (const times of passed.values()) expect(times).toBeLessThanOrEqual(1)
      }
    }),
    { numRuns: 200 },
  )
}, 60_000)

type Step =
  | { read: readonly number[]; by: number; fresh: boolean; abort: boolean }
  | { fail: 'get' | 'batch' | 'item' | 'login'; code: SecretErrorCode; id: number; times: number; retryAfter: boolean }
  | { hang: 'get' | 'batch' | 'login'; deaf: boolean }
  | { pass: number }
  | { revoke: number }
  | { invalidate: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ read: fc.array(fc.nat(11), { minLength: 1, maxLength: 12 }), by: fc.nat(4), fresh: fc.boolean(), abort: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      fail: fc.constantFrom('get', 'batch', 'item', 'login'),
      code: fc.constantFrom('denied', 'not-found', 'unauthenticated', 'throttled', 'unavailable', 'unsupported', 'invalid-value'),
      id: fc.nat(11),
      times: fc.integer({ min: 1, max: 3 }),
      retryAfter: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ hang: fc.constantFrom('get', 'batch', 'login'), deaf: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ pass: fc.constantFrom(0, 50, 1_000, 5_000, 12_000, 40_000) }) },
  { weight: 1, arbitrary: fc.record({ revoke: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ invalidate: fc.nat(4) }) },
)

function invalidate(view: Pick<Secrets<string>, 'invalidate'>): void {
  try {
    view.invalidate()
  } catch (error) {
    // Its scope has been revoked.
    expect(isSecretError(error, 'denied')).toBe(true)
  }
}

it('whatever a backend does: each read ends in time with its own value or an error, each is told of once, and nothing is left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 25 }), fc.integer({ min: 1, max: 3 }), fc.boolean(), async (steps, concurrency, isNarrowing) => {
      const clock = createFakeClock()
      const backend = createScriptable({ clock, batchLimit: 4, concurrency, narrows: () => (isNarrowing ? 'backend' : undefined) })
      for (let id = 0; id < 12; id++) backend.put(`K${id}`, `canary-${id}`)
      const events: AuditEvent[] = []
      const secrets = createSecrets<string>({ provider: backend.factory, clock, cache: { ttl: '2s', staleIfError: '5s' }, audit: (event) => void events.push(event) })
      const scopes = ['one', 'two', 'three', 'one'].map((agent) => secrets.scope({ agent, allow: ['*'] }))
      const tool = scopes[0]!.scope({ tool: 't', allow: ['*'] })
      const views = [secrets, ...scopes.slice(0, 3), tool]
      let open = 0
      let asked = 0
      const watch = async (id: number, read: Promise<string>): Promise<void> => {
        open += 1
        asked += 1
        const before = clock.now()
        try {
          expect(await read).toBe(`canary-${id}`)
        } catch (error) {
          if (error !== 'enough' && !isSecretError(error)) throw error
          expect(String(error)).not.toContain('canary')
        }
        open -= 1
        // Times that chance has made are no whole milliseconds.
        expect(clock.now() - before).toBeLessThan(10_001)
      }
      const watched: Promise<void>[] = []
      const unhandled = await unhandledDuring(async () => {
        for (const one of steps) {
          if ('read' in one) {
            const controller = new AbortController()
            for (const id of one.read) {
              const view = views[one.by % views.length]!
              watched.push(watch(id, view.getSecret(`K${id}`, { ...(one.fresh ? { fresh: true } : {}), ...(one.abort ? { signal: controller.signal } : {}) })))
            }
            if (one.abort) controller.abort('enough')
          } else if ('fail' in one) {
            const { fail, code, id, times, retryAfter } = one
            backend.fail(fail === 'item' ? { kind: 'batch', id: `K${id}` } : fail, { code, ...(retryAfter ? { retryAfter: '3s' } : {}) }, times)
          } else if ('hang' in one) backend.hang(one.hang, 1, { deaf: one.deaf })
          else if ('pass' in one) await clock.advanceAsync(one.pass)
          else if ('revoke' in one) void scopes[one.revoke % scopes.length]!.revoke()
          else invalidate(views[one.invalidate % views.length]!)
        }
        await clock.advanceAsync(10_001)
        expect(open).toBe(0)
        await Promise.all(watched)
        expect(events.filter(({ type }) => type === 'read')).toHaveLength(asked)
        expect(JSON.stringify(events)).not.toMatch(/canary|not-a-real-token/)
        expect(backend.mostAtOnce('get') - concurrency).toBeLessThanOrEqual(steps.filter((one) => 'hang' in one && one.deaf).length)
        const closing = secrets.close()
        await clock.advanceAsync(10_000)
        await closing
        expect([clock.pending, backend.identities.length]).toEqual([0, 0])
      })
      expect(unhandled).toEqual([])
    }),
    { numRuns: 150 },
  )
}, 120_000)
