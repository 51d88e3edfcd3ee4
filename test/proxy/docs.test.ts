/** The tables of docs/proxy.md, held against what is there. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { sdks } from '../../src/project/sdk-variables.js'
import { root } from '../package/root.js'

const page = await readFile(join(root, 'docs/proxy.md'), 'utf8')

it('has the variables of each SDK, and no other', () => {
  const section = /\n## Variables by SDK\n[^]*?(?=\n## )/.exec(page)?.[0] ?? ''
  const rows = [...section.matchAll(/^\| `(https:[^`]+)` \| `(\w+)`(?: \(with `([^`]+)`\))? \| `(\w+)` \|$/gm)]
  expect(rows.map(([, origin, baseUrl, path = '', key]) => ({ origin, path, baseUrl, key }))).toEqual(sdks)
})

it('names each option of startProxy', async () => {
  const source = await readFile(join(root, 'src/proxy/start.ts'), 'utf8')
  const options = [...(/export interface ProxyOptions \{[^]*?\n\}/.exec(source)?.[0] ?? '').matchAll(/^ {2}(\w+)\??:/gm)].map(([, name = '']) => name)
  expect(options.length).toBeGreaterThan(4)
  const table = /\| option of `startProxy`[^]*?\n\n/.exec(page)?.[0] ?? ''
  for (const option of options) expect(table).toContain(`\`${option}\``)
})
