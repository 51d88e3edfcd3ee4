import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './root.js'

/** Rows of docs/architecture.md, and those of bench/README.md that they are taken from. */
const rows = {
  'Map of promises': 'Map of promises, awaited',
  'the Map in an `AsyncLocalStorage`': 'the Map, inside an `AsyncLocalStorage`',
  'a hit through a scope': 'keyward, through a scope',
  'the same, outside of tools after one has run': 'keyward, through a scope after a tool has run',
  '**a hit inside a tool**': 'keyward, inside a tool',
  'the same, with a sink': 'keyward, inside a tool with an audit sink',
}

it('what a hit inside a tool costs is told in two places, with the figures of one run', async () => {
  const [told, measured] = await Promise.all(['docs/architecture.md', 'bench/README.md'].map((file) => readFile(join(root, file), 'utf8')))
  const first = (text: string | undefined, row: string): string | undefined =>
    text
      ?.split('\n')
      .find((line) => line.startsWith(`| ${row} |`))
      ?.split('|')[2]
      ?.match(/[\d.]+/)?.[0]
  const figures = Object.keys(rows).map((row) => [row, first(told, row)])
  expect(figures).toEqual(Object.entries(rows).map(([row, source]) => [row, first(measured, source)]))
  expect(figures.flat()).not.toContain(undefined)
})
