/** Cleans what an app writes: texts, streams, structured data, and what loggers are given. */
import { invalidConfig, isSecretError } from '../errors/secret-error.js'
import { checkFunction, checkObject, checkString } from '../errors/check.js'
import type { Core } from '../read/core.js'
import * as engine from '../read/engine.js'
import { useEngine } from '../read/root.js'
import { textsOf } from '../read/value.js'
import type { RootSecrets, Secrets } from '../read/types.js'
import { requireView } from '../read/require-view.js'
import type { View } from '../read/view.js'
import type { FlushAt } from './stream.js'
import { redactValue as cleanValue } from './value.js'

export type { FlushAt } from './stream.js'

// So that values can be concealed before anything was read.
useEngine(engine)

/**
 * Every known value in a text becomes `[secret NAME]`: as `redact` of the root does, and through a scope with the names alone that it is granted.
 * @throws SecretError `invalid-config` for what is no text or no view of this copy of keyward; `closed` after `close()`.
 */
export function redactText(secrets: Secrets<never>, text: string): string {
  const { core, view } = behind(secrets)
  return core.redact(text, namesOf(view))
}

/**
 * A clean copy of structured data: objects, arrays, maps, sets, errors with their causes, bytes, instances of classes. Types stay where they can; where what
 * would be serialized still held a value it is the cleaned plain form of that. A value under 8 characters is replaced where it is all that stands somewhere.
 */
export function redactValue(secrets: Secrets<never>, value: unknown): unknown {
  const { core, view } = behind(secrets)
  core.redactor.requireOpen()
  return cleanValue(core.redactor, core.readerOf(namesOf(view)), value)
}

/**
 * `redactStream` of the root, for a reader of a scope, and with a say in how long something may be held back.
 * @param options `flushAt`: after each `'line'`, after each `'event'` of an event stream, or only at the `'end'` (the default). A value that such a place cuts
 * through is found by its lines alone.
 */
export function redactStream(secrets: Secrets<never>, options: { flushAt?: FlushAt } = {}): TransformStream<Uint8Array, Uint8Array> {
  const { flushAt = 'end' } = checkObject(options, 'options', ['flushAt'])
  if (flushAt !== 'line' && flushAt !== 'event' && flushAt !== 'end') throw invalidConfig('options.flushAt', 'is not understood', "'line', 'event' or 'end'")
  const { core, view } = behind(secrets)
  return new TransformStream(core.redactStage(flushAt, namesOf(view)))
}

/** Makes a value known that did not come from a provider, such as a token that a login gave: until `close()`, by this name. Of a document each leaf as well. */
export function conceal(secrets: RootSecrets<never>, value: string, name: string): void {
  const { core, view } = behind(secrets)
  if (namesOf(view) !== undefined) throw invalidConfig('secrets', 'is a scope', 'the root that createSecrets or loadSecrets returned')
  const label = checkString(name, 'name')
  for (const text of textsOf(checkString(value, 'value'))) core.known.conceal(text, label)
}

/**
 * Options for pino that clean each line before it is written: `pino({ ...redactPino(secrets) })`.
 * @param options `hooks`: those of the app, which pino takes one set of. A `streamWrite` among them runs first, and what it returns is cleaned.
 */
export function redactPino<Hooks extends { streamWrite?: ((line: string) => string) | undefined } = object>(
  secrets: Secrets<never>,
  options: { hooks?: Hooks } = {},
): { hooks: Hooks & { streamWrite: (line: string) => string } } {
  behind(secrets)
  const { hooks } = checkObject(options, 'options', ['hooks']) as { hooks?: Hooks }
  const streamWrite = (line: string): string =>
    orWithheld(
      () => redactText(secrets, hooks?.streamWrite?.(line) ?? line),
      (withheld) => `${withheld}\n`,
    )
  return { hooks: { ...(hooks as Hooks), streamWrite } }
}

/** As logform has it. */
interface WinstonInfo {
  level: string
  message: unknown
  [key: string | symbol]: unknown
}
interface WinstonFormat {
  options?: object
  transform(info: WinstonInfo): WinstonInfo
}

/** A format for winston, the last of `format.combine(…)`: what it is given is cleaned, and the line that was made of it. */
export function redactWinston(secrets: Secrets<never>): WinstonFormat {
  behind(secrets)
  return {
    transform(info) {
      // Its own members, which are never a value.
      const level = Symbol.for('level')
      const cleaned = orWithheld(
        () => redactValue(secrets, info) as WinstonInfo,
        (withheld) => ({ level: info.level, message: withheld, [Symbol.for('message')]: withheld }),
      )
      return Object.assign(cleaned, { level: info.level, [level]: info[level] })
    },
  }
}

/** As an exporter of OpenTelemetry has it: https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-exporter */
interface SpanExporter<Span extends object, Result> {
  export(spans: Span[], done: (result: Result) => void): void
}

/** What of a span is written by code, and what of it says what it is of. */
const written = ['name', 'attributes', 'events', 'links', 'status'] as const

/**
 * The same exporter of OpenTelemetry, which is given spans that are clean: `new BatchSpanProcessor(redactSpans(secrets, exporter))`. Names, attributes, events, links and
 * status are cleaned. A span that cannot be is not exported.
 */
export function redactSpans<Span extends object, Result, Exporter extends SpanExporter<Span, Result>>(
  secrets: Secrets<never>,
  exporter: Exporter & SpanExporter<Span, Result>,
): Exporter {
  behind(secrets)
  const clean = (span: Span): Span => {
    const members = written.map((member) => [member, redactValue(secrets, Reflect.get(span, member))] as const)
    return new Proxy(span, { get: (target, key) => (members.find(([member]) => member === key) ?? [key, Reflect.get(target, key, target)])[1] })
  }
  const cleanOrNone = (span: Span): readonly Span[] =>
    orWithheld<readonly Span[]>(
      () => [clean(span)],
      () => [],
    )
  return new Proxy(exporter, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (key === 'export') return (spans: Span[], done: (result: Result) => void) => target.export(spans.flatMap(cleanOrNone), done)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** These write one text that is made of all that they are given. */
const writing = ['debug', 'dirxml', 'error', 'group', 'groupCollapsed', 'info', 'log', 'trace', 'warn'] as const
/** Of these each value is cleaned. */
const others = ['assert', 'count', 'countReset', 'dir', 'table', 'time', 'timeEnd', 'timeLog'] as const
type Method = (typeof writing)[number] | (typeof others)[number]

/**
 * Cleans what the methods of a console are given.
 * @param target Default: the global console.
 * @returns What puts the methods back.
 */
export function redactConsole(secrets: Secrets<never>, target: Pick<Console, Method> = globalThis.console): () => void {
  behind(secrets)
  const before = [...writing, ...others].map((method) => [method, checkFunction(target[method], `console.${method}`)] as const)
  for (const [method, write] of before) {
    const isText = (writing as readonly Method[]).includes(method)
    const clean = (...values: unknown[]): unknown =>
      Reflect.apply(
        write,
        target,
        orWithheld(
          () => cleaned(secrets, values, isText),
          (withheld) => [withheld],
        ),
      )
    Object.defineProperty(target, method, { value: clean, writable: true, configurable: true, enumerable: true })
  }
  return () => {
    for (const [method, write] of before) Object.defineProperty(target, method, { value: write, writable: true, configurable: true, enumerable: true })
  }
}

/** What is shown of private fields, of a header or a promise, shows only in the text. */
function cleaned(secrets: Secrets<never>, values: readonly unknown[], isText: boolean): unknown[] {
  const clean = values.map((value) => redactValue(secrets, value))
  const util = globalThis.process?.getBuiltinModule?.('node:util')
  if (!isText || util === undefined || clean.length === 0) return clean
  const text = util.formatWithOptions({ colors: globalThis.process.stdout.isTTY && process.env['NO_COLOR'] === undefined }, ...clean)
  return ['%s', redactText(secrets, text)]
}

/** A logger must not throw for what it is given, and must not write what could not be cleaned. */
function orWithheld<Value>(clean: () => Value, instead: (withheld: string) => Value): Value {
  try {
    return clean()
  } catch (error) {
    const why = isSecretError(error, 'closed') ? 'these secrets are closed, and nothing is known any more that could be replaced' : 'it could not be cleaned'
    return instead(`[withheld: ${why}]`)
  }
}

function behind(secrets: Secrets<never>): { core: Core; view: View } {
  const view = requireView(secrets)
  return { core: view.root.core!, view }
}

/** The root may know all names. */
const namesOf = ({ scope }: View): View['scope'] | undefined => (scope.parent === undefined ? undefined : scope)
