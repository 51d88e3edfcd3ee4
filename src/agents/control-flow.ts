/** What is thrown to leave a tool in a framework's own way, and is no failure: it stays the very object, with a clean payload. */
import type { Copies } from './copies.js'

const ofLanguage: ReadonlySet<object> = new Set([Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError].map(({ prototype }) => prototype))

/**
 * Is it of one of these classes, in any copy of the framework? By the class of the framework itself: a property any error may have.
 * @param classesOf Those of one copy: none where its version has not got them.
 */
export function controlFlow<Module>(copies: Copies<Module>, classesOf: (module: Module) => readonly unknown[]): (error: unknown) => Promise<boolean> {
  return async (error) => {
    // What most errors are: for these no copy has to be loaded.
    if (!(error instanceof Error) || ofLanguage.has(Object.getPrototypeOf(error) as object)) return false
    const isOf = (module: Module): boolean => classesOf(module).some((kind) => typeof kind === 'function' && error instanceof kind)
    if (copies.required().some(isOf)) return true
    const imported = await copies.imported()
    return imported !== undefined && isOf(imported)
  }
}
