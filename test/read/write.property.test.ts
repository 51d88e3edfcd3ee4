import { inspect } from 'node:util'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { createSecrets, isSecretError, type AuditEvent, type RootSecrets, type Secrets } from '../../src/index.js'
import { SecretError, type SecretErrorCode, type SecretProvider, type SecretRequest, type SecretValue, type SecretWrite } from '../../src/provider.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { settle, unhandledDuring } from './scripted-provider.js'

const runs = Number(process.env['KEYWARD_RUNS'] ?? 200)
const timeout = Math.max(60_000, runs * 200)

/** What becomes of a call: it fails without having done anything, it is done and fails all the same, or it is answered. */
type Fate = { code: SecretErrorCode; isDone: boolean } | undefined

interface OpenCall {
  readonly isWrite: boolean
  apply(fate: Fate): void
  answer(): void
  isApplied: boolean
}

/** One secret with versions, whose calls go on when they are told: first they are done, later they are answered. */
class Backend {
  /** By version: its value, undefined where the secret was gone. */
  readonly history: (SecretValue | undefined)[] = [undefined]
  readonly calls: OpenCall[] = []
  readonly provider: SecretProvider = {
    name: 'own',
    supports: { version: true },
    get: (request) => this.#open(false, () => this.#get(request)),
    put: (_request, write) => this.#open(true, () => this.#put(write)),
    delete: () => this.#open(true, () => this.#delete()),
    failure: () => undefined,
  }

  get version(): number {
    return this.history.length - 1
  }

  #open<Answer>(isWrite: boolean, act: () => Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let end = (): void => undefined
      const call: OpenCall = {
        isWrite,
        isApplied: false,
        apply: (fate) => {
          call.isApplied = true
          try {
            if (fate !== undefined && !fate.isDone) throw new SecretError({ code: fate.code })
            const answer = act()
            end = () => (fate === undefined ? resolve(answer) : reject(new SecretError({ code: fate.code })))
          } catch (error) {
            end = () => reject(error)
          }
        },
        answer: () => {
          this.calls.splice(this.calls.indexOf(call), 1)
          end()
        },
      }
      this.calls.push(call)
    })
  }

  #get({ version }: SecretRequest): { value: SecretValue; version: string } {
    const value = this.history[version === undefined ? this.version : Number(version)]
    if (value === undefined) throw new SecretError({ code: 'not-found' })
    return { value, version: version ?? String(this.version) }
  }

  #put({ value, ifVersion }: SecretWrite): { version: string } {
    const current = this.history.at(-1) === undefined ? null : String(this.version)
    if (ifVersion !== undefined && ifVersion !== current) throw new SecretError({ code: 'conflict' })
    this.history.push(value)
    return { version: String(this.version) }
  }

  #delete(): void {
    if (this.history.at(-1) === undefined) throw new SecretError({ code: 'not-found' })
    this.history.push(undefined)
  }

  /** One call goes one step on. */
  step(which: number, fate: Fate): void {
    const call = this.calls[which % Math.max(1, this.calls.length)]
    if (call === undefined) return
    // A read that fails ends what is held, or begins a pause: both are told of in other tests.
    if (call.isApplied) call.answer()
    else call.apply(call.isWrite ? fate : undefined)
  }
}

type Step =
  | { kind: 'read'; view: number; options: number }
  | { kind: 'put'; ifVersion: boolean }
  | { kind: 'delete' }
  | { kind: 'call'; which: number; fate: Fate }
  | { kind: 'advance'; by: number }
  /** All that is under way ends. */
  | { kind: 'drain' }

/** Without outages: a copy that stands in for one is older on purpose. */
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 3, arbitrary: fc.record({ code: fc.constantFrom<SecretErrorCode[]>('conflict', 'denied', 'invalid-value'), isDone: fc.constant(false) }) },
  { weight: 2, arbitrary: fc.record({ code: fc.constantFrom<SecretErrorCode[]>('conflict', 'invalid-value'), isDone: fc.constant(true) }) },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('read' as const), view: fc.nat(1), options: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('put' as const), ifVersion: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const) }) },
  { weight: 16, arbitrary: fc.record({ kind: fc.constant('call' as const), which: fc.nat(5), fate }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), by: fc.constantFrom(1_000, 6_000) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('drain' as const) }) },
)

const readOptions = [undefined, {}, { as: 'bytes' }, { maxAge: '1h' }] as const

class Run {
  readonly backend = new Backend()
  readonly violations: string[] = []
  readonly clock = createFakeClock()
  readonly #secrets: RootSecrets<string>
  readonly #views: readonly Secrets<string>[]
  readonly #events: AuditEvent[] = []
  readonly #endings: Promise<unknown>[] = []
  #writes = 0
  /** The newest version of which a caller was told that it is there. */
  #told = 0

  constructor() {
    this.backend.history.push('v-initial')
    const { provider } = this.backend
    this.#secrets = createSecrets<string>({ provider, clock: this.clock, retry: false, timeout: '1h', audit: (event) => void this.#events.push(event) })
    this.#views = [this.#secrets, this.#secrets.scope({ allow: ['*'] })]
  }

  async take(step: Step): Promise<void> {
    if (step.kind === 'read') this.#read(step.view, readOptions[step.options])
    if (step.kind === 'put')
      this.#write(
        this.#secrets.putSecret('A', `v${this.#writes}`, step.ifVersion ? { ifVersion: this.backend.history.at(-1) === undefined ? null : String(this.backend.version) } : {}),
      )
    if (step.kind === 'delete') this.#write(this.#secrets.deleteSecret('A'))
    if (step.kind === 'call') this.backend.step(step.which, step.fate)
    if (step.kind === 'advance') await this.clock.advanceAsync(step.by)
    if (step.kind === 'drain') await this.#drain()
    await settle()
  }

  async #drain(): Promise<void> {
    while (this.backend.calls.length > 0) {
      this.backend.step(0, undefined)
      await settle()
    }
  }

  async finish(): Promise<void> {
    await this.#drain()
    await Promise.all(this.#endings)
    const events = this.#events.filter(({ type }) => type === 'write' || type === 'delete')
    if (events.length !== this.#writes) this.violations.push(`${events.length} events of ${this.#writes} writes`)
    await this.#secrets.close()
  }

  #read(view: number, options: (typeof readOptions)[number]): void {
    const least = this.#told
    const read = (this.#views[view] as Secrets<string>).getSecret('A', options) as Promise<unknown>
    const check = (value: unknown, what: string): void => {
      const newest = this.backend.history.lastIndexOf(value as string)
      if (newest < least) this.violations.push(`a read that began when version ${least} was there gave ${what} of version ${newest}`)
    }
    this.#endings.push(
      read.then(
        (value) => check(value instanceof Uint8Array ? new TextDecoder().decode(value) : value, 'the value'),
        (error: unknown) => isSecretError(error, 'not-found') && check(undefined, 'not-found'),
      ),
    )
  }

  #write(promise: Promise<unknown>): void {
    this.#writes += 1
    this.#endings.push(
      promise.then(
        // What was put or deleted is there, or something newer.
        () => void (this.#told = this.backend.version),
        () => undefined,
      ),
    )
  }
}

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  const secrets = createSecrets<string>({ provider: { name: 'memory' } })
  await secrets.putSecret('A', 'x')
  await secrets.close()
})

it('a read that begins after a write has succeeded sees what was written, or what came after', { timeout }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 40, size: 'max' }), async (steps) => {
      const run = new Run()
      const unhandled = await unhandledDuring(async () => {
        for (const one of steps) await run.take(one)
        await run.finish()
      })
      expect(unhandled).toEqual([])
      if (run.violations.length > 0) throw new Error(`${run.violations.join('\n')}\nafter ${inspect(steps, { depth: 4, breakLength: 200, maxArrayLength: 300 })}`)
    }),
    { numRuns: runs },
  )
})

it('fields that are put at the same time lose nothing of each other', { timeout }, async () => {
  const writer = fc.record({ field: fc.nat(5), isOutside: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(
      fc.array(writer, { minLength: 2, maxLength: 6 }),
      fc.array(fc.record({ which: fc.nat(7), fate }), { maxLength: 60, size: 'max' }),
      fc.boolean(),
      async (writers, calls, isText) => {
        const backend = new Backend()
        const clock = createFakeClock()
        const references = Object.fromEntries(writers.map(({ field }) => [`F${field}`, `doc#f${field}`]))
        const make = (): RootSecrets<string> => createSecrets<string>({ provider: backend.provider, clock, references, retry: false, timeout: '60s' })
        const [secrets, other] = [make(), make()]
        if (isText) backend.history.push('{"kept": 1.0}')
        let written = 0
        const values = new Map<string, readonly string[]>()
        const open = writers.map(async ({ field, isOutside }, index) => {
          const value = `v${index}`
          try {
            await (isOutside ? other : secrets).putSecret(`F${field}`, value)
            written += 1
            values.set(`f${field}`, [...(values.get(`f${field}`) ?? []), value])
          } catch (error) {
            expect(isSecretError(error)).toBe(true)
          }
        })
        for (const { which, fate } of calls) {
          // What is done although it fails would be undone by nobody: here it may not be.
          backend.step(which, fate?.isDone === true ? undefined : fate)
          await clock.advanceAsync(200)
        }
        for (let round = 0; round < 200 && backend.calls.length > 0; round++) {
          backend.step(0, undefined)
          await clock.advanceAsync(200)
        }
        await clock.advanceAsync(60_000)
        await Promise.all(open)
        const last = backend.history.at(-1)
        const document = (typeof last === 'string' ? JSON.parse(last) : (last ?? {})) as Record<string, unknown>
        for (const [field, put] of values) expect(put).toContain(document[field])
        if (isText) expect(last).toContain('{"kept": 1.0')
        // Each that succeeded is a version of its own: none was put over another that it had not seen.
        expect(backend.version - (isText ? 1 : 0)).toBe(written)
        await Promise.all([secrets.close(), other.close()])
      },
    ),
    { numRuns: Math.ceil(runs / 4) },
  )
})
