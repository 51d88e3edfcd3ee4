/** The table of docs/containment.md, framework by attack. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../../package/root.js'

export type Result = 'contained' | 'leads nowhere' | '**leaks**'

const path = join(root, 'docs/containment.md')
const begin = '<!-- table: written by the containment suite -->\n'
const end = '\n<!-- end of table -->'

export class Table {
  readonly #frameworks: readonly string[]
  readonly #rows = new Map<string, Map<string, Result>>()

  constructor(frameworks: readonly string[]) {
    this.#frameworks = frameworks
  }

  set(framework: string, attack: string, result: Result): void {
    const row = this.#rows.get(attack) ?? new Map<string, Result>()
    row.set(framework, result)
    this.#rows.set(attack, row)
  }

  toString(): string {
    const lines = [...this.#rows].map(([attack, results]) => `| ${attack} | ${this.#frameworks.map((framework) => results.get(framework) ?? '').join(' | ')} |`)
    return [`| A tool | ${this.#frameworks.join(' | ')} |`, `|---|${this.#frameworks.map(() => '---').join('|')}|`, ...lines].join('\n')
  }

  /** What the page has; with `KEYWARD_WRITE_DOCS` the page is written first. */
  async documented(): Promise<string> {
    const page = await readFile(path, 'utf8')
    const from = page.indexOf(begin) + begin.length
    const to = page.indexOf(end)
    if (process.env['KEYWARD_WRITE_DOCS'] === undefined) return page.slice(from, to).trim()
    await writeFile(path, `${page.slice(0, from)}\n${this.toString()}\n${page.slice(to)}`)
    return this.toString()
  }
}
