import { constants } from 'node:os'

/** By which a process is asked to end: from the keyboard, by who started it, by a window that closes. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Milliseconds. GNU `timeout` sends a signal to the program and to its group, and npm passes on what the terminal sent to both: the program has it twice, at once. */
const isTheSame = 500

interface Ending {
  /** For the first signal. */
  readonly end: (signal: NodeJS.Signals) => void
  /** For one that comes later, when the first was not enough; then the process ends with 128 and its number. */
  readonly endNow?: () => void
  /** Which signals are listened to. Default: all. */
  readonly isOurs?: (signal: NodeJS.Signals) => boolean
}

/** @returns What listens no longer. */
export function onEndingSignals({ end, endNow, isOurs = () => true }: Ending): () => void {
  let first: number | undefined
  const listener = (signal: NodeJS.Signals): void => {
    if (first === undefined) {
      first = performance.now()
      end(signal)
    } else if (performance.now() - first >= isTheSame) {
      endNow?.()
      process.exit(128 + constants.signals[signal])
    }
  }
  const listened = signals.filter(isOurs)
  for (const signal of listened) process.on(signal, listener)
  return () => {
    for (const signal of listened) process.off(signal, listener)
  }
}
