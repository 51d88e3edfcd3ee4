/** stdin, line by line. What has come is answered also where the process ends before it is looked at. */
import { closeSync, readSync } from 'node:fs'
import { Socket } from 'node:net'
import { Lines, type Line } from './lines.js'

const stdin = 0
/** Milliseconds that whoever goes on writing may keep a process that ends. */
const patience = 5_000

export class Input {
  readonly #take: (line: Line) => void
  readonly #lines: Lines
  /** What was read, and not taken yet. */
  readonly #read: Line[] = []

  /**
   * @param longest Bytes of a line.
   * @param take Is given each line.
   * @param end Is called when there are no more. What stands behind the last line end was not taken then.
   */
  constructor(longest: number, take: (line: Line) => void, end: () => void) {
    this.#take = take
    this.#lines = new Lines(longest)
    process.stdin.on('data', this.#onData).on('pause', this.#onPause).once('end', end).once('error', end).once('close', end)
  }

  readonly #onData = (chunk: Buffer | string): void => this.#took(this.#lines.push(Buffer.from(chunk)))

  /** What a tool does when it ends an interface to read lines of its own, for example: nothing would be heard any more. */
  readonly #onPause = (): void => {
    process.nextTick(() => process.stdin.resume())
  }

  #took(lines: readonly Line[]): void {
    for (const line of lines) this.#read.push(line)
    for (let next = this.#read.shift(); next !== undefined; next = this.#read.shift()) this.#take(next)
  }

  /** Takes what stands behind the last line end, and then nothing more. */
  end(): void {
    this.release()
    this.#took(this.#lines.end())
  }

  release(): void {
    process.stdin.off('data', this.#onData).off('pause', this.#onPause)
  }

  /** Hands over what has come and was not taken, for a process that ends now, and lets nothing more come: whoever writes is told by the system then. */
  handOver(give: (lines: readonly Line[]) => void): void {
    give(this.#read.splice(0))
    // Another kind could make this wait; and once it is closed the descriptor is somebody else's.
    if (!(process.stdin instanceof Socket) || process.stdin.destroyed || process.stdin.isTTY || process.platform === 'win32') return
    const chunk = Buffer.alloc(65_536)
    const until = performance.now() + patience
    try {
      for (let length = readSync(stdin, chunk); length > 0 && performance.now() < until; length = readSync(stdin, chunk))
        give(this.#lines.push(Buffer.from(chunk.subarray(0, length))))
    } catch {
      // There is no more.
    }
    give(this.#lines.end())
    try {
      closeSync(stdin)
    } catch {
      // A tool has done so.
    }
  }
}
