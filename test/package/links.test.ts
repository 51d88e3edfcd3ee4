import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp, type App } from './packed.js'

let app: App
/** All that is packed, folders too, from the package's folder. */
let packed: ReadonlySet<string>
/** By path, without the code in them. */
let pages: ReadonlyMap<string, string>

beforeAll(async () => {
  app = await createApp()
  const folder = join(app.directory, 'node_modules/keyward')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  packed = new Set(['.', ...entries.map(({ parentPath, name }) => relative(folder, join(parentPath, name)))])
  const paths = [...packed].filter((path) => path.endsWith('.md'))
  pages = new Map(await Promise.all(paths.map(async (path) => [path, withoutCode(await readFile(join(folder, path), 'utf8'))] as const)))
})
afterAll(() => app.remove())

describe('the packed pages', () => {
  it('are there', () => {
    expect([...pages.keys()]).toEqual(expect.arrayContaining(['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/providers.md', 'providers/dotenv/README.md']))
  })

  it('link to what is packed, and to headings that are there', () => {
    const links = [...pages].flatMap(([page, text]) => targetsOf(text).map((target) => [page, target] as const))
    expect(links.length).toBeGreaterThan(20)
    expect(links.filter(([page, target]) => !leads(page, target)).map(([page, target]) => `${page} -> ${target}`)).toEqual([])
  })
})

describe('the search for links', () => {
  it('finds those of a text, and not those of code', () => {
    const text = withoutCode('[a](b.md) ![c](d.svg "title") `[e](f)`\n```ts\nlist[0](g)\n```\n[h]: i.md#j\n<a href="k">')
    expect(targetsOf(text)).toEqual(['b.md', 'd.svg', 'i.md#j', 'k'])
  })

  it('knows the anchors that are made of headings', () => {
    expect([...anchorsOf('# One\n## Two, and `three`: *4*\n## One\ntext # no\n')]).toEqual(['one', 'two-and-three-4', 'one-1'])
  })
})

function leads(page: string, target: string): boolean {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return true
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : normalize(join(dirname(page), decodeURIComponent(path))).replace(/\/$/, '')
  if (!packed.has(file)) return false
  return anchor === undefined || anchorsOf(pages.get(file) ?? '').has(anchor)
}

function withoutCode(text: string): string {
  return text.replace(/^ *(`{3,}|~{3,})[^]*?^ *\1.*$/gm, '')
}

function targetsOf(text: string): readonly string[] {
  const prose = text.replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(\s*<?([^)\s>]+)|^\[[^\]]+\]:\s*(\S+)|\b(?:href|src)="([^"]+)"/gm)].map(([, inline, reference, html]) => inline ?? reference ?? html ?? '')
}

/** As GitHub makes them: in lower case, spaces as hyphens, other signs left out, and a number after one that was there. */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of text.matchAll(/^#{1,6} +(.*?) *#*$/gm)) {
    const anchor = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-')
    let unique = anchor
    for (let count = 1; anchors.has(unique); count += 1) unique = `${anchor}-${count}`
    anchors.add(unique)
  }
  return anchors
}
