/** The sandbox of code mode is native code, which is published for some versions of Node: isolated-vm 6, which TanStack asks for, up to 24. */
export type Isolate = typeof import('@tanstack/ai-isolate-node')

async function load(): Promise<Isolate | undefined> {
  try {
    return await import('@tanstack/ai-isolate-node')
  } catch (error) {
    if (error instanceof Error && error.message.includes('No native build was found')) return undefined
    throw error
  }
}

/** Undefined where there is none for this Node. */
export const isolate = await load()
export const missingIsolate = isolate === undefined ? `isolated-vm has no build for Node ${process.versions.node}` : undefined
