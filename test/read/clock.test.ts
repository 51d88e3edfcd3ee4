/** The system's time, over timers that fire at once where a delay is too long for them, as those of Node do. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { setBackgroundTimer, systemClock } from '../../src/clock.js'

const day = 86_400_000
/** Three parts: `setTimeout` holds 24.8 days. */
const delay = 60 * day

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('waits for what no timer holds, neither less nor more', () => {
  const begun = systemClock.now()
  const fired: number[] = []
  systemClock.setTimer(() => fired.push(systemClock.now() - begun), delay)
  vi.advanceTimersByTime(delay - 1)
  expect(fired).toEqual([])
  vi.advanceTimersByTime(1)
  expect(fired).toEqual([delay])
  expect(vi.getTimerCount()).toBe(0)
})

it('waits for as long as a timer holds in one part, and for no time below zero', () => {
  const armed = vi.spyOn(globalThis, 'setTimeout')
  for (const asked of [2 ** 31 - 1, 1, 0, -1, -Infinity]) systemClock.setTimer(() => undefined, asked)
  expect(armed.mock.calls.map(([, given]) => given)).toEqual([2 ** 31 - 1, 1, 0, 0, 0])
})

it.each([0, 25, 50])('is cleared after %i days, whichever part waits then', (days) => {
  let hasFired = false
  const timer = systemClock.setTimer(() => (hasFired = true), delay)
  vi.advanceTimersByTime(days * day)
  timer.clear()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(delay)
  expect(hasFired).toBe(false)
})

it('lets the process end in each of the parts', () => {
  const armed = vi.spyOn(globalThis, 'setTimeout')
  setBackgroundTimer(systemClock, () => undefined, delay)
  vi.advanceTimersByTime(50 * day)
  const parts = armed.mock.results.map(({ value }) => value as NodeJS.Timeout)
  expect(parts.map((part) => part.hasRef())).toEqual([false, false, false])
})
