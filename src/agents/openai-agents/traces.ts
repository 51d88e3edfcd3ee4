/** What the Agents SDK traces, cleaned as it is exported: spans that a tool begins itself, and what stands in those of models and of the run. */
import { checkFunction, checkObject } from '../../errors/check.js'
import { prepareCleaner, type Secrets, type ToolCleaner } from '../../seam.js'

/** As far as it is used here: https://openai.github.io/openai-agents-js/guides/tracing/ */
interface TracingExporter<Item extends object> {
  export(items: Item[], signal?: AbortSignal): Promise<void>
}

/** What of a trace or span is written by code. What says what it is of, and the key that it is exported with, stay what they are. */
const written: ReadonlySet<PropertyKey> = new Set(['name', 'metadata', 'traceMetadata', 'spanData', 'error'])

/**
 * The same exporter, which is given traces and spans that are clean: `new BatchTraceProcessor(redactTraces({ secrets }, new OpenAITracingExporter()))`. What cannot be
 * cleaned, as after `close()`, is not exported.
 * @throws SecretError `invalid-config` for what is no view of this copy of keyward, or no exporter.
 */
export function redactTraces<Item extends object, Exporter extends TracingExporter<Item>>(
  options: { secrets: Secrets<never> },
  exporter: Exporter & TracingExporter<Item>,
): Exporter {
  const { secrets } = checkObject(options, 'options', ['secrets'])
  const prepare = prepareCleaner(secrets as Secrets<never>)
  checkFunction((exporter as Partial<TracingExporter<Item>> | undefined)?.export, 'exporter.export')
  const exportClean = async (items: readonly Item[], signal?: AbortSignal): Promise<void> => {
    const cleaner = await prepare()
    await exporter.export(
      items.flatMap((item) => cleanOrNone(cleaner, item)),
      signal,
    )
  }
  return new Proxy(exporter, {
    get(target, key) {
      const value: unknown = key === 'export' ? exportClean : Reflect.get(target, key, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function cleanOrNone<Item extends object>(cleaner: ToolCleaner, item: Item): readonly Item[] {
  try {
    const members = new Map<PropertyKey, unknown>()
    for (const member of written) members.set(member, cleaner.value(Reflect.get(item, member)))
    const json = cleaner.value((item as { toJSON?: () => unknown }).toJSON?.())
    members.set('toJSON', () => json)
    // On the item itself, which has private fields.
    return [new Proxy(item, { get: (target, key) => (members.has(key) ? members.get(key) : (Reflect.get(target, key, target) as unknown)) })]
  } catch {
    return []
  }
}
