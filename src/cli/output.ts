/** What every verb prints with: results on stdout, and what is said about them on stderr. */
import { styleText } from 'node:util'

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
