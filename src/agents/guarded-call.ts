/** One call of a tool: what runs in its scope, and what cleans all that leaves it. */
import { isSecretError } from '../errors/secret-error.js'
import { here, runAt, type Place, type ToolCall } from '../seam.js'
import { blobsIn, cleanBlob, cleanEntries, isBlob, withheldBlob } from './blobs.js'
import { copyOf, type IsData } from './copy.js'
import { asLater } from './later.js'
import { withCleanSpan } from './span.js'
import { States } from './states.js'
import { Yields } from './yields.js'

/** What a framework has of its own. */
export interface Manner {
  /** Is this no failure, but the framework's own way to leave a tool? By its class: a property any error may have. */
  readonly isControlFlow?: (error: unknown) => boolean | Promise<boolean>
  /** Instances that are data of the framework: their copies are told, since the tool may keep what it returned, and write into it later. */
  readonly isData?: IsData
  /** What a generator yields: pieces of one text (the default), or one state after another, the last of which is the result. */
  readonly yields?: 'pieces' | 'states'
}

export class GuardedCall {
  readonly #call: ToolCall
  readonly #manner: Manner
  /** Where it was called. */
  readonly #outside: Place = here()
  readonly #after: (() => void)[] = []
  readonly #afterEnd: (() => void)[] = []
  /** The call itself, and the stream that it gave. */
  #open = 0
  /** Of blobs that have been read, by what they are of. */
  #blobs: WeakMap<object, Blob> | undefined
  /** What was found while all is looked at. */
  #found: Found | undefined
  /** To be called once the call has settled, or has given a stream, which holds the scope itself. */
  readonly finish: () => void

  constructor(call: ToolCall, manner: Manner) {
    this.#call = call
    this.#manner = manner
    this.finish = this.hold()
  }

  get mayRun(): boolean {
    return this.#call.mayRun
  }
  /** To be waited for before anything is told. */
  get ready(): Promise<void> | undefined {
    return this.#call.ready
  }

  /** Before the tool itself runs. */
  requireOpen(): void {
    this.#call.requireOpen()
  }

  run<Result>(body: () => Result): Result {
    return runAt(this.#call.place, () => withCleanSpan(this, body))
  }

  /**
   * For what asks something of what the tool gave, such as its getters: that is code of the tool, and reads no more than it may. Where another tool runs, it stays
   * there: within this one that may read less.
   */
  #asking<Result>(ask: () => Result): Result {
    return here() === this.#outside ? this.run(ask) : ask()
  }

  /** The scope lasts until everything that was held is released: by what is returned, which may be called more than once. */
  hold(): () => void {
    let isHeld = true
    this.#open += 1
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#open -= 1
      if (this.#open > 0) return
      this.#call.end()
      for (const run of this.#afterEnd.splice(0)) run()
    }
  }

  /** Calls `run` before anything that the tool says is told: for what it may have left elsewhere. */
  after(run: () => void): void {
    this.#after.push(run)
  }
  /** Calls `run` once its scope has ended. */
  afterEnd(run: () => void): void {
    this.#afterEnd.push(run)
  }
  tidy(): void {
    if (this.#after.length > 0)
      this.run(() => {
        const faults = this.#after.flatMap(faultOf)
        // All of them have run. What one of them could not clean is not told by any other way either.
        if (faults.length > 0) throw faults[0]
      })
  }

  text(text: string): string {
    return this.#call.cleaner.text(text)
  }

  /** What a stream would hold back of these bytes: where a value may begin that is still to come to its end. */
  heldBack(bytes: Uint8Array): Uint8Array {
    return this.#call.cleaner.heldBack(bytes)
  }

  /**
   * Clean data; streams, promises and iterables in it are clean as they come.
   * @param known What stands for an object that is not to be looked into, such as one of the framework's own.
   */
  data(value: unknown, known?: (object: object) => object | undefined): unknown {
    return this.#asking(() =>
      this.#call.cleaner.value(value, (object) => known?.(object) ?? this.#blobOf(object) ?? cleanEntries(this, object, (file) => this.#blobOf(file)) ?? this.#laterOf(object)),
    )
  }

  /** The result: clean as it is, and as what the framework makes of it. A stream holds the scope until it ends. */
  result(value: unknown): unknown {
    if (isPrimitive(value)) return this.#call.cleaner.value(value)
    const later = typeof value === 'object' && value !== null ? this.#asking(() => asLater(this, value, this.hold())) : undefined
    return later ?? this.outcome(value)
  }

  /** The same for what is a part of what is told: a stream in it runs in the scope as long as that lasts. */
  async outcome(value: unknown): Promise<unknown> {
    if (isPrimitive(value)) return this.#call.cleaner.value(value)
    const plain = this.#asking(() => this.#call.cleaner.plain(value))
    if (plain !== undefined) return plain
    await this.#prepare(value)
    return this.#whole(() => this.#outcome(value))
  }

  /** The same where nothing can be waited for. */
  outcomeNow(value: unknown): unknown {
    return this.#asking(() => this.#call.cleaner.plain(value) ?? this.#outcome(value))
  }

  /** Reads what is only read by waiting: to be called before this is cleaned. */
  async #prepare(value: unknown): Promise<void> {
    await this.#read(this.#asking(() => blobsIn(value)))
  }

  async #read(blobs: Iterable<Blob>): Promise<void> {
    for (const blob of blobs) (this.#blobs ??= new WeakMap()).set(blob, await cleanBlob(this, blob))
  }

  /** Where getters and what is iterated gave blobs that nobody has read, these are read, and it is asked once more. */
  async #whole<Result>(ask: () => Result): Promise<Result> {
    const found: Found = { blobs: new Set(), laters: new Map(), isLast: false }
    const first = this.#finding(found, ask)
    if (found.blobs.size === 0) return first
    await this.#read(found.blobs)
    return this.#finding({ ...found, isLast: true }, ask)
  }

  #finding<Result>(found: Found, ask: () => Result): Result {
    this.#found = found
    try {
      return this.#asking(ask)
    } finally {
      this.#found = undefined
    }
  }

  #blobOf(object: object): Blob | undefined {
    const known = this.#blobs?.get(object)
    if (known !== undefined || this.#found === undefined || !isBlob(object)) return known
    this.#found.blobs.add(object)
    return this.#found.isLast ? withheldBlob() : undefined
  }

  #laterOf(object: object): object | undefined {
    // What can be gone through once was given to whoever asked first.
    const later = this.#found?.laters.get(object) ?? asLater(this, object)
    if (later !== undefined) this.#found?.laters.set(object, later)
    return later
  }

  #outcome(value: unknown): unknown {
    const cleaned = this.#manner.isData === undefined ? this.data(value) : copyOf(this.data(value), this.#manner.isData)
    if (typeof cleaned !== 'object' || cleaned === null) return cleaned
    const text = serialized(cleaned)
    if (text === undefined) return cleaned
    const clean = this.text(text)
    return clean === text ? cleaned : parsed(clean)
  }

  yields(): Pick<Yields, 'push' | 'end'> {
    return this.#manner.yields === 'states' ? new States(this, this.#call.cleaner) : this.pieces()
  }

  /** The same for what is told on the way, in pieces whatever a generator yields. */
  pieces(): Yields {
    return new Yields(this, this.#call.cleaner)
  }

  /** What is thrown in place of this: the framework's own with a clean payload, or the error rebuilt. Whatever fails on the way, what was thrown is not passed on. */
  async failure(error: unknown): Promise<unknown> {
    try {
      await this.ready
      this.tidy()
      const isControlFlow = (await this.#asking(() => this.#manner.isControlFlow?.(error))) === true
      await this.#prepare(error)
      return await this.#whole(() => (isControlFlow ? this.#cleanedInPlace(error as object) : this.data(error)))
    } catch (fault) {
      return isSecretError(fault) ? fault : new Error('[withheld: what the tool threw could not be cleaned]')
    }
  }

  /** As `failure`, where nothing can be waited for. */
  failureNow(error: unknown): unknown {
    try {
      return this.data(error)
    } catch (fault) {
      return isSecretError(fault) ? fault : new Error('[withheld: what the tool threw could not be cleaned]')
    }
  }

  /** Its getters too, that of the stack among them, and what it says of itself. */
  #cleanedInPlace(error: object): object {
    // What it carries is its own from here: the tool may write into that later, and a framework keeps it, as a checkpoint does.
    for (const [key, descriptor] of Reflect.ownKeys(error).map((key) => [key, Object.getOwnPropertyDescriptor(error, key)!] as const))
      if ('value' in descriptor) Reflect.defineProperty(error, key, { ...descriptor, value: copyOf(descriptor.value, this.#manner.isData) })
    const copy = this.data(error) as object
    if (copy === error) return error
    // One that cannot be mended is not passed on as it is.
    const isMended =
      Reflect.ownKeys(error).every((key) => Object.hasOwn(copy, key) || Reflect.deleteProperty(error, key)) &&
      Reflect.ownKeys(copy).every((key) => Reflect.defineProperty(error, key, Object.getOwnPropertyDescriptor(copy, key)!))
    return isMended ? error : copy
  }
}

interface Found {
  /** Those that nobody has read. */
  readonly blobs: Set<Blob>
  /** What stands for what comes later. */
  readonly laters: Map<object, object>
  /** Nothing is read any more. */
  readonly isLast: boolean
}

/** What holds nothing else, and asks for no code of the tool. */
const isPrimitive = (value: unknown): boolean => (typeof value !== 'object' && typeof value !== 'function') || value === null

function faultOf(run: () => void): readonly unknown[] {
  try {
    run()
    return []
  } catch (fault) {
    return [fault]
  }
}

/** As every framework makes a text of it; undefined where it cannot. */
export function serialized(value: object): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    // What cannot be serialized the framework cannot serialize either.
    return undefined
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
