/** One load however many ask. One that failed is tried again by the next: what was missing may be there then. */
export function loadOnce<Loaded>(load: () => Promise<Loaded>): () => Promise<Loaded> {
  let loading: Promise<Loaded> | undefined
  return async () => {
    const own = (loading ??= load())
    try {
      return await own
    } catch (error) {
      if (loading === own) loading = undefined
      throw error
    }
  }
}
