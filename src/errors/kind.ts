/** What may be told of an error that is somebody else's: the name of its class, and nothing of its text. */
export function kindOf(error: unknown): string {
  try {
    return error instanceof Error && /^\w{1,64}$/.test(error.name) ? error.name : 'an error'
  } catch {
    // A getter of its own.
    return 'an error'
  }
}
