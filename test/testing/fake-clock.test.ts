import { describe, expect, it } from 'vitest'
import { createFakeClock } from '../../src/testing/fake-clock.js'

describe('createFakeClock', () => {
  it('stands still at its start', () => {
    expect(createFakeClock(1_000).now()).toBe(1_000)
    expect(createFakeClock().now()).toBe(Date.UTC(2026, 0, 1))
  })

  it('fires due timers in order, each at its own time, and those that they arm', () => {
    const clock = createFakeClock(0)
    const fired: string[] = []
    const note = (label: string) => (): void => void fired.push(`${label} at ${clock.now()}`)
    clock.setTimer(note('late'), 300)
    clock.setTimer(() => {
      note('early')()
      clock.setTimer(note('armed within'), 50)
      clock.setTimer(note('armed beyond'), 500)
    }, 100)
    clock.setTimer(note('early too'), 100)
    clock.advance(99)
    expect(fired).toEqual([])
    clock.advance(201)
    expect(fired).toEqual(['early at 100', 'early too at 100', 'armed within at 150', 'late at 300'])
    expect(clock.now()).toBe(300)
    expect(clock.pending).toBe(1)
  })

  it('fires no timer that was cleared, also not by one that came due before it', () => {
    const clock = createFakeClock(0)
    const fired: string[] = []
    const second = clock.setTimer(() => fired.push('second'), 10)
    clock.setTimer(() => second.clear(), 5)
    clock.setTimer(() => fired.push('third'), 10).clear()
    clock.advance(20)
    expect(fired).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('takes a delay that is none as 0, and never fires at infinity', () => {
    const clock = createFakeClock(0)
    const fired: number[] = []
    for (const delay of [-5, Number.NaN, Infinity]) clock.setTimer(() => fired.push(delay), delay)
    clock.advance(0)
    expect(fired).toEqual([-5, Number.NaN])
    clock.advance(1e12)
    expect(clock.pending).toBe(1)
  })

  it('jumps without firing, forth and back, and timers wait for the rest of their delay', () => {
    const clock = createFakeClock(10_000)
    let fired = 0
    clock.setTimer(() => (fired = clock.now()), 100)
    clock.advance(40)
    clock.jump(3_600_000)
    expect([clock.now(), fired]).toEqual([3_610_040, 0])
    clock.jump(-7_200_000)
    expect(clock.now()).toBe(-3_589_960)
    clock.advance(59)
    expect(fired).toBe(0)
    clock.advance(1)
    expect(fired).toBe(-3_589_900)
  })

  it('lets code behind promises run between timers in advanceAsync, so that it can arm the next', async () => {
    const clock = createFakeClock(0)
    const steps: number[] = []
    const wait = (delay: number): Promise<void> => new Promise((resolve) => void clock.setTimer(resolve, delay))
    const work = (async () => {
      for (let step = 0; step < 4; step++) {
        await wait(10)
        await new Promise((resolve) => void setImmediate(resolve))
        steps.push(clock.now())
      }
    })()
    await clock.advanceAsync(35)
    expect(steps).toEqual([10, 20, 30])
    await clock.advanceAsync(5)
    await work
    expect(steps).toEqual([10, 20, 30, 40])
  })

  it('refuses to go back, and a timer without end', async () => {
    const clock = createFakeClock(0)
    for (const milliseconds of [-1, Number.NaN, Infinity]) {
      expect(() => clock.advance(milliseconds)).toThrow(RangeError)
      await expect(clock.advanceAsync(milliseconds)).rejects.toThrow(RangeError)
    }
    expect(() => clock.jump(Number.NaN)).toThrow(RangeError)
    const again = (): void => void clock.setTimer(again, 0)
    again()
    expect(() => clock.advance(1)).toThrow('arms itself again')
  })
})
