/** What the file system threw, by its code: https://nodejs.org/api/errors.html#common-system-errors. */

/** Such as ENOENT; an empty text where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : ''
}

/** The same for a message. */
export const toldCodeOf = (error: unknown): string => codeOf(error) || 'an error'

/** What a call of the file system gives; undefined where there is no such file. */
export async function unlessMissing<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  try {
    return await promise
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
