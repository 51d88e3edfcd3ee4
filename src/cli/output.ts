/** What every verb prints with: results on stdout, and what is said about them on stderr. */
import { PassThrough } from 'node:stream'
import { styleText } from 'node:util'
import { exitCodes } from './exit-codes.js'

/** Milliseconds before there is something to be shown of a wait. */
const patience = 400

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red'

export interface OutputOptions {
  readonly isJson: boolean
  readonly isQuiet: boolean
  readonly hasColor: boolean
}

export class Output {
  readonly isJson: boolean
  readonly #isQuiet: boolean
  readonly #hasColor: boolean

  constructor({ isJson, isQuiet, hasColor }: OutputOptions) {
    this.isJson = isJson
    this.#isQuiet = isQuiet
    this.#hasColor = hasColor && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
  }

  /** One document, or the text for a person. */
  result(document: object, text: string): void {
    process.stdout.write(this.isJson ? `${JSON.stringify(document)}\n` : text)
  }

  note(text: string): void {
    if (!this.#isQuiet) process.stderr.write(`${this.paint('dim', `keyward: ${text}`, process.stderr)}\n`)
  }

  /** What nobody should overlook, and `--quiet` does not leave out. */
  warn(text: string): void {
    process.stderr.write(`${this.paint('yellow', `keyward: ${text}`, process.stderr)}\n`)
  }

  /** Shows on a terminal that something is waited for, once it takes its time. */
  async waiting<Result>(text: string, promise: Promise<Result>): Promise<Result> {
    if (this.isJson || this.#isQuiet || !process.stderr.isTTY) return promise
    let stop: (() => void) | undefined
    const late = setTimeout(() => void startSpinner(text).then((started) => (stop = started)), patience)
    try {
      return await promise
    } finally {
      clearTimeout(late)
      stop?.()
    }
  }

  error(text: string): void {
    process.stderr.write(`${this.paint('red', text, process.stderr)}\n`)
  }

  paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
    return this.#hasColor && stream.isTTY ? styleText(style, text, { validateStream: false }) : text
  }

  /** Columns of a width that what is in them needs. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): string {
    const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()
    return [this.paint('bold', line(head)), ...rows.map(line)].map((text) => `${text}\n`).join('')
  }
}

/** @returns What takes it away again. */
async function startSpinner(text: string): Promise<() => void> {
  const { spinner } = await import('@clack/prompts')
  // Of the keyboard it takes nothing: Ctrl-C is the system's.
  const shown = spinner({ output: process.stderr, input: new PassThrough(), withGuide: false, onCancel: () => process.exit(exitCodes.cancelled) })
  shown.start(text)
  return () => shown.clear()
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
] as const

/** How long ago, in the largest unit that it fills. */
export function ageOf(date: Date | undefined): string {
  if (date === undefined) return '-'
  const age = Math.max(0, Date.now() - date.getTime())
  const [unit, milliseconds] = units.find(([, length]) => age >= length) ?? ['s', 1_000]
  return `${Math.floor(age / milliseconds)}${unit}`
}
