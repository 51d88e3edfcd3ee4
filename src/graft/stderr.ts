/** What is no message goes to stderr, which may have nobody who reads it: that is no fault of a tool, and told it would be another one. */
import { codeOf } from '../errors/system-error.js'

let isGone = false

const onError = (error: unknown): void => {
  isGone ||= codeOf(error) === 'EPIPE'
}

/** @returns What ends it. */
export function surviveStderr(): () => void {
  const { stderr } = process
  stderr.on('error', onError)
  return () => void stderr.off('error', onError)
}

/** As the method `write` of a stream. */
export function writeToStderr(...given: readonly unknown[]): boolean {
  if (!isGone) return Reflect.apply(process.stderr.write, process.stderr, given) as boolean
  called(given)
  return true
}

/** Calls back whoever waits until something is written. */
export function called(given: readonly unknown[]): void {
  const callback = given.find((value) => typeof value === 'function')
  if (callback !== undefined) process.nextTick(callback)
}
