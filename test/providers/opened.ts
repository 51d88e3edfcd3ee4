import { afterEach } from 'vitest'

/** @returns What keeps one that a test of this file opens, and gives it back; it is closed behind the test. */
export function closeAfterEach(): <Opened extends { close(): Promise<unknown> }>(one: Opened) => Opened {
  const opened: { close(): Promise<unknown> }[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
  })
  return (one) => {
    opened.push(one)
    return one
  }
}
