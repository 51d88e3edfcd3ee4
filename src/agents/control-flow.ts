/** What is thrown to leave a tool in a framework's own way, and is no failure: it stays the very object, with a clean payload. */

/**
 * Is it of one of these classes? By the class of the framework itself: a property any error may have.
 * @param load Finds the classes: none where the framework is not to be found, and not those that its version has not.
 */
export function controlFlow(load: () => Promise<readonly (abstract new (...values: never[]) => Error)[]>): (error: unknown) => Promise<boolean> {
  return async (error) => error instanceof Error && (await load()).some((kind: unknown) => typeof kind === 'function' && error instanceof kind)
}
