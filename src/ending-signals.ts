import { constants } from 'node:os'

/** By which a process is asked to end: from the keyboard, by who started it, by a window that closes. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Milliseconds. GNU `timeout` sends a signal to the program and to its group, and npm passes on what the terminal sent to both: the program has it twice, at once. */
const isTheSame = 500

/**
 * @param end For the first signal.
 * @param endNow For one that comes later, when the first was not enough; then the process ends with 128 and its number.
 * @param isOurs Which signals are listened to. Default: all.
 * @returns What listens no longer.
 */
export function onEndingSignals(end: (signal: NodeJS.Signals) => void, endNow: () => void, isOurs: (signal: NodeJS.Signals) => boolean = () => true): () => void {
  let first: number | undefined
  const listener = (signal: NodeJS.Signals): void => {
    if (first === undefined) {
      first = performance.now()
      end(signal)
    } else if (performance.now() - first >= isTheSame) {
      endNow()
      process.exit(128 + constants.signals[signal])
    }
  }
  const listened = signals.filter(isOurs)
  for (const signal of listened) process.on(signal, listener)
  return () => {
    for (const signal of listened) process.off(signal, listener)
  }
}
