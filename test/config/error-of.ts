/** What `run` throws; undefined where it throws nothing. */
export function errorOf(run: () => unknown): Error | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  return undefined
}
