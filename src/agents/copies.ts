/**
 * Frameworks ship a copy for `import` and one for `require`, each with classes and state of its own. An app has either; or both, where a package that it uses loads the
 * other one. So whoever looks for something of a framework looks in both.
 */

/** Of a module, what has been loaded by `require`: nothing where nobody has, since to look for it must load none. */
export function requiredCopy(name: string): object | undefined {
  try {
    cache ??= openCache()
    const path = cache.pathOf(name)
    const exported = path === undefined ? undefined : cache.modules[path]?.exports
    return typeof exported === 'object' && exported !== null ? exported : undefined
  } catch {
    // Where there are no files.
    return undefined
  }
}

interface Cache {
  readonly modules: Readonly<Record<string, { readonly exports: unknown } | undefined>>
  pathOf(name: string): string | undefined
}

let cache: Cache | undefined

/** Not by an import of `node:module`, which edge runtimes have not. */
function openCache(): Cache {
  const url: string | undefined = import.meta.url
  // What a bundler makes for CommonJS has the other of the two.
  const load = globalThis.process?.getBuiltinModule?.('node:module')?.createRequire(url ?? __filename)
  /** Looked for once each: that takes a hundred times as long as to look into the cache. */
  const paths = new Map<string, string | undefined>()
  const pathOf = (name: string): string | undefined => {
    if (!paths.has(name)) paths.set(name, resolved(name))
    return paths.get(name)
  }
  const resolved = (name: string): string | undefined => {
    try {
      return load?.resolve(name)
    } catch {
      return undefined
    }
  }
  return { modules: load?.cache ?? {}, pathOf }
}

export interface Copies<Module> {
  /** Those that have been loaded by `require`, as of now. */
  required(): readonly Module[]
  /** The other one; undefined where the module is not to be found. It is loaded where it has not been: whether it has, nothing tells. */
  imported(): Promise<Module | undefined>
}

/**
 * @param names By which what is looked for can be had.
 * @param load Imports it: by a literal, the one form that every bundler takes.
 */
export function copiesOf<Module extends object>(names: readonly string[], load: () => Promise<Module | undefined>): Copies<Module> {
  /** Looked for once: where it is not, each look costs time. */
  let imported: Promise<Module | undefined> | undefined
  return {
    required: () => names.map((name) => requiredCopy(name)).filter((copy): copy is Module => copy !== undefined),
    imported: () => (imported ??= load()),
  }
}

export async function allCopies<Module>(copies: Copies<Module>): Promise<readonly Module[]> {
  const imported = await copies.imported()
  // Looked for last: a tool that waited may find one more.
  return imported === undefined ? copies.required() : [...copies.required(), imported]
}
