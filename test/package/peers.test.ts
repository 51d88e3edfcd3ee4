/** What an app has to have installed, and that npm can install it all. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readManifest } from './manifest.js'
import { root } from './root.js'

const { peerDependencies, peerDependenciesMeta, devDependencies, overrides } = await readManifest()
const numbers = (version: string): readonly number[] => (/\d+(?:\.\d+)*/.exec(version)?.[0] ?? '').split('.').map(Number)
const isBelow = (one: readonly number[], other: readonly number[]): boolean => {
  const index = other.findIndex((part, at) => part !== (one[at] ?? 0))
  return index >= 0 && (one[index] ?? 0) < (other[index] ?? 0)
}

/** What is above all that a range takes; undefined for one that is open. */
function bound(range: string): readonly number[] | undefined {
  const last = range.split('||').at(-1)?.trim() ?? ''
  const [major = 0, minor = 0, patch = 0] = numbers(last)
  if (last.startsWith('^')) return major > 0 ? [major + 1, 0, 0] : [0, minor + 1, 0]
  if (last.startsWith('~')) return [major, minor + 1, 0]
  return /^\d/.test(last) ? [major, minor, patch + 1] : undefined
}

async function peersOf(name: string): Promise<Readonly<Record<string, string>>> {
  const { peerDependencies = {} } = JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { peerDependencies?: Record<string, string> }
  return peerDependencies
}

describe('the peers of package.json', () => {
  it('are optional, each of them', () => {
    for (const name of Object.keys(peerDependencies)) expect([name, peerDependenciesMeta[name]?.optional]).toEqual([name, true])
  })

  // npm weighs optional peers too: one conflict, and `npm install keyward` alone fails with ERESOLVE.
  it('demand nothing of each other that keyward refuses', async () => {
    for (const name of Object.keys(peerDependencies))
      for (const [other, range] of Object.entries(await peersOf(name))) {
        const [least, above] = [peerDependencies[other], bound(range)]
        if (least === undefined || above === undefined) continue
        expect(isBelow(numbers(least), above), `${name} takes ${other} ${range}, and keyward ${least}`).toBe(true)
      }
  })

  it('leave out Hatchet, which demands an older Agents SDK, as long as it does', async () => {
    expect(Object.keys(peerDependencies)).not.toContain('@hatchet-dev/typescript-sdk')
    expect(peerDependenciesMeta['@hatchet-dev/typescript-sdk']).toEqual({ optional: true })
    const demanded = (await peersOf('@hatchet-dev/typescript-sdk'))['@openai/agents'] ?? ''
    expect(isBelow(numbers(demanded), numbers(peerDependencies['@openai/agents'] ?? ''))).toBe(true)
    // What is no peer a bundler takes along unless it is told.
    expect(await readFile(join(root, 'dist/agents/hatchet.js'), 'utf8')).toContain('import("@hatchet-dev/typescript-sdk")')
  })
})

describe('the table of versions in docs/tools.md', async () => {
  const page = await readFile(join(root, 'docs/tools.md'), 'utf8')
  const section = /\n## Versions\n[^]*?(?=\n## |$)/.exec(page)?.[0] ?? ''
  const rows = [...section.matchAll(/^\| (`@?[\w./-]+`(?:, `@?[\w./-]+`)*) \| (.*) \|$/gm)].flatMap(([, names = '', range = '']) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => [name, range] as const),
  )

  it('has the range of every framework that is a peer', () => {
    const frameworks = Object.entries(peerDependencies).filter(([name]) => !/^@aws-sdk|^@azure|^node-vault$/.test(name))
    expect(frameworks.length).toBeGreaterThan(5)
    for (const [name, range] of frameworks) expect(rows).toContainEqual([name, expect.stringContaining(`\`${range}\``) as string])
  })

  it('has what the others are tested with', () => {
    const others = rows.filter(([name]) => peerDependencies[name] === undefined)
    expect(others.length).toBe(3)
    for (const [name, text] of others) expect([name, /tested with ([\d.]+)/.exec(text)?.[1]]).toEqual([name, testedWith(devDependencies[name] ?? '')])
  })
})

/** The part of a version behind which nothing breaks. */
const testedWith = (version: string): string => {
  const [major = 0, minor = 0] = numbers(version)
  return major > 0 ? String(major) : `0.${minor}`
}

it('docs/hatchet-and-trigger.md has the overrides by which keyward itself is installed', async () => {
  const page = await readFile(join(root, 'docs/hatchet-and-trigger.md'), 'utf8')
  expect(JSON.parse(/```json\n([^]*?)```/.exec(page)?.[1] ?? '')).toEqual({ overrides })
})
