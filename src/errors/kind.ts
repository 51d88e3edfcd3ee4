/** What may be told of an error that is somebody else's: the name of its class. Not its `name`, which clients take from what a backend answers. */
export function kindOf(error: unknown): string {
  try {
    const { name } = (error as Error).constructor
    return error instanceof Error && /^\w{1,64}$/.test(name) ? name : 'an error'
  } catch {
    // A getter of its own.
    return 'an error'
  }
}
