/** Faults that no call is told of end a run of tests, unless what serves tools hears of them alone. */
export async function hearingAlone<Result>(run: () => Promise<Result>): Promise<Result> {
  const kept = (['uncaughtException', 'unhandledRejection'] as const).flatMap((event) =>
    process
      .listeners(event as 'exit')
      .filter(({ name }) => name !== 'tell')
      .map((listener) => ({ event, listener })),
  )
  for (const { event, listener } of kept) process.off(event, listener)
  try {
    return await run()
  } finally {
    for (const { event, listener } of kept) process.on(event, listener)
  }
}
