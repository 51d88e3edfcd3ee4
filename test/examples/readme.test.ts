import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { durationMilliseconds } from '../../src/duration.js'
import { checkCache } from '../../src/read/policy.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const readme = await readFile(join(root, 'README.md'), 'utf8')

/** Rows of the table below a heading, by their first cell. */
function rows(heading: string): ReadonlyMap<string, readonly string[]> {
  const section = new RegExp(`\\n## ${heading}\\n[^]*?(?=\\n## )`).exec(readme)?.[0] ?? ''
  const cells = [...section.matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)]
  return new Map(cells.map(([, first = '', rest = '']) => [first, rest.split('|').map((cell) => cell.trim())]))
}

describe('the first code of the README', () => {
  let directory: string
  beforeAll(async () => {
    await mkdir(join(root, '.cache'), { recursive: true })
    directory = await mkdtemp(join(root, '.cache/readme-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it('stands before line 30, and runs', async () => {
    const [, before = '', code = ''] = /^([^]*?)```ts\n([^]*?)```/.exec(readme) ?? []
    expect(`${before}${code}`.split('\n').length).toBeLessThan(30)
    await writeFile(join(directory, '.env'), 'OPENAI_API_KEY=not-a-real-key\nSTRIPE_KEY=not-a-real-key\n')
    await writeFile(join(directory, 'app.ts'), code.replace(/^(await researcher\.getSecret\('STRIPE_KEY'\).*)$/m, "console.log('reached')\n$1"))
    const { KEYWARD_ENV: _, OPENAI_API_KEY: __, ...environment } = process.env
    const { output, errors } = await new Promise<{ output: string; errors: string }>((resolve) => {
      execFile(process.execPath, ['app.ts'], { cwd: directory, env: environment, timeout: 60_000 }, (_failure, output, errors) => resolve({ output, errors }))
    })
    // As its last comment says: the last line is denied.
    expect(output.trim(), `${errors} `).toBe('reached')
    expect(errors).toContain('AccessDeniedError: keyward: secret "STRIPE_KEY" is not granted to agent "researcher"')
    expect(errors).not.toContain('not-a-real-key')
  }, 60_000)
})

describe('the tables of the README', () => {
  it('have each code of an error, and no other', async () => {
    const source = await readFile(join(root, 'src/errors/failure.ts'), 'utf8')
    const codes = [...(/type SecretErrorCode =([^]*?)\n\n/.exec(source)?.[1] ?? '').matchAll(/'([\w-]+)'/g)].map(([, code = '']) => code)
    expect(codes.length).toBeGreaterThan(5)
    expect([...rows('Errors').keys()].toSorted()).toEqual(codes.toSorted())
  })

  it('have the defaults of the cache', () => {
    const { policy, maxEntries } = checkCache(undefined, 'cache')
    const table = rows('Cache and failure')
    const stated = Object.keys(policy).map((key) => [key, durationMilliseconds(table.get(`cache.${key}`)?.[0]?.replaceAll(/[`']/g, ''))])
    expect(Object.fromEntries(stated)).toEqual(policy)
    expect(table.get('cache.maxEntries')?.[0]).toBe(`\`${maxEntries.toLocaleString('en').replaceAll(',', '_')}\``)
  })

  it('have each part of a grant', async () => {
    const source = await readFile(join(root, 'src/access/grant.ts'), 'utf8')
    const parts = [...(/export interface Grant<[^]*?\n\}/.exec(source)?.[0] ?? '').matchAll(/^ {2}(\w+)\??:/gm)].map(([, part = '']) => part)
    const table = [...readme.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, first = '']) => [...first.matchAll(/`(\w+)`/g)].map(([, part]) => part))
    // `enforcement` is denied in this version, and stands where the README says what is missing.
    for (const part of parts.filter((one) => one !== 'enforcement')) expect(table, `\`${part}\` is in no table`).toContain(part)
  })
})

describe('links', () => {
  it('lead to files that are there', async () => {
    const folders = ['.', 'docs', ...(await readdir(join(root, 'providers'), { withFileTypes: true })).flatMap((one) => (one.isDirectory() ? [`providers/${one.name}`] : []))]
    const pages = (
      await Promise.all(folders.map(async (folder) => (await readdir(join(root, folder))).filter((file) => file.endsWith('.md')).map((file) => join(folder, file))))
    ).flat()
    expect(pages.length).toBeGreaterThan(6)
    for (const page of pages) {
      const text = await readFile(join(root, page), 'utf8')
      for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?:|#)/.test(target)) continue
        const [path = ''] = target.split('#')
        await expect(access(join(root, dirname(page), path)), `${page} links to ${target}`).resolves.toBeUndefined()
      }
    }
  })
})
