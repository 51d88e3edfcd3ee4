/** Waits for what others wait for too: who leaves ends nothing. */
export async function waitFor<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  if (signal.aborted) {
    // Begun already, and waited for by nobody: what it is rejected with must not end the process.
    promise.catch(() => undefined)
    throw signal.reason
  }
  let leave: (() => void) | undefined
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([promise, left])
  } finally {
    if (leave !== undefined) signal.removeEventListener('abort', leave)
  }
}
