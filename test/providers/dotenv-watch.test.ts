import { mkdir, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { dotenv, type DotenvOptions } from '../../providers/dotenv/index.js'
import { createSecrets } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createFakeClock } from '../../src/testing/index.js'
import { directory, useDirectory, write } from './directory.js'
import { context, make, read } from './setup.js'

const isWindows = process.platform === 'win32'

useDirectory()
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const provide = (options: DotenvOptions = {}) => make(dotenv({ processEnv: 'never', ...options }), { directory })
function watch(provider: SecretProvider): (string | undefined)[] {
  const told: (string | undefined)[] = []
  ends.push(provider.watch?.((id) => void told.push(id)) ?? (() => undefined))
  return told
}
const toldOf = (told: (string | undefined)[], ...expected: (string | undefined)[]) =>
  vi.waitFor(() => expect(told.splice(0).toSorted((left = '', right = '') => left.localeCompare(right))).toEqual(expected), { timeout: 6_000, interval: 20 })

describe('a watch', () => {
  it('tells of each variable that changed, appeared or went, and of no other', async () => {
    await write({ '.env': 'A=1\nB=1\nC=1\n' })
    const provider = await provide()
    await read(provider, 'A')
    const told = watch(provider)
    await write({ '.env': '# longer\nA=2\nB=1\nD=1\n' })
    await toldOf(told, 'A', 'C', 'D')
    await write({ '.env': '# only a comment\nA=2\nB=1\nD=1\n' })
    await new Promise((resolve) => void setTimeout(resolve, 300))
    expect(told).toEqual([])
    expect(await read(provider, 'A')).toBe('2')
  })

  it('sees files that are replaced by rename, as editors do, again and again', async () => {
    await write({ '.env': 'A=0\n' })
    const provider = await provide()
    await read(provider, 'A')
    const told = watch(provider)
    for (let count = 1; count <= 5; count++) {
      await write({ '.env.swp': `A=${count}\n` })
      // With a backup, which takes the old file away first.
      if (count % 2 === 0) await rename(join(directory, '.env'), join(directory, '.env~'))
      await rename(join(directory, '.env.swp'), join(directory, '.env'))
      await vi.waitFor(() => expect(told).toContain('A'), { timeout: 6_000, interval: 10 })
      expect(await read(provider, 'A')).toBe(String(count))
      told.length = 0
    }
  })

  it('sees files appear and vanish', async () => {
    await write({ '.env': 'A=1\n' })
    const provider = await provide()
    await read(provider, 'A')
    const told = watch(provider)
    await write({ '.env.local': 'A=2\nB=1\n' })
    await vi.waitFor(() => expect(new Set(told)).toEqual(new Set(['A', 'B'])), { timeout: 6_000 })
    told.length = 0
    await rm(join(directory, '.env.local'))
    await toldOf(told, 'A', 'B')
    await rm(join(directory, '.env'))
    await toldOf(told, 'A')
  })

  it('sees a folder that another takes the place of, and one that is made later', async () => {
    await mkdir(join(directory, 'config'))
    await mkdir(join(directory, 'next'))
    await write({ 'config/.env': 'A=1\n', 'next/.env': 'A=2\n' })
    const provider = await provide({ directory: 'config' })
    await read(provider, 'A')
    const told = watch(provider)
    await rename(join(directory, 'config'), join(directory, 'old'))
    await rename(join(directory, 'next'), join(directory, 'config'))
    await toldOf(told, 'A')
    await write({ 'config/.env': 'A=3\n' })
    await toldOf(told, 'A')
    await write({ 'old/.env': 'A=4\n' })
    await rm(join(directory, 'config'), { recursive: true })
    await toldOf(told, 'A')
    await mkdir(join(directory, 'config'))
    await write({ 'config/.env': 'A=5\n' })
    await toldOf(told, 'A')
  }, 30_000)

  it.skipIf(isWindows)(
    'follows links: to a file elsewhere, and of a mounted volume',
    async () => {
      for (const name of ['elsewhere', 'one', 'two']) await mkdir(join(directory, name))
      await write({ 'elsewhere/real': 'A=1\n', 'one/.env.local': 'B=1\n', 'two/.env.local': 'B=2\n' })
      await symlink('elsewhere/real', join(directory, '.env'))
      await symlink('one', join(directory, '..data'))
      await symlink('..data/.env.local', join(directory, '.env.local'))
      const provider = await provide()
      await read(provider, 'A')
      const told = watch(provider)
      await write({ 'elsewhere/real': 'A=2\n' })
      await toldOf(told, 'A')
      await symlink('two', join(directory, '..next'))
      await rename(join(directory, '..next'), join(directory, '..data'))
      await toldOf(told, 'B')
    },
    20_000,
  )

  it('tells of what changed in the moment in which it began', async () => {
    await write({ '.env': 'A=1\n' })
    const provider = await provide()
    const told = watch(provider)
    await write({ '.env': 'A=2\n' })
    await vi.waitFor(() => expect(told.length).toBeGreaterThan(0), { timeout: 6_000 })
    expect(await read(provider, 'A')).toBe('2')
  })

  it('tells of what a read found before the folder said so, and lets the read keep what it brought', async () => {
    await write({ '.env': 'A=1\nB=1\n' })
    const provider = await provide()
    await read(provider, 'A')
    const told = watch(provider)
    await write({ '.env': 'A=2\nB=1\n' })
    expect([await read(provider, 'B'), told.length]).toEqual(['1', 0])
    await toldOf(told, 'A')
  })

  it('tells of puts and deletions of its own at once', async () => {
    const provider = await provide()
    await provider.put?.({ id: 'A' }, { value: '1' }, context)
    const told = watch(provider)
    await provider.put?.({ id: 'A' }, { value: '2' }, context)
    await toldOf(told, 'A')
    await provider.delete?.({ id: 'A' }, context)
    await toldOf(told, 'A')
  })

  it('goes on after a file that is broken for a while', async () => {
    await write({ '.env': 'A=1\n' })
    const provider = await provide()
    await read(provider, 'A')
    const told = watch(provider)
    await write({ '.env': 'broken' })
    await new Promise((resolve) => void setTimeout(resolve, 200))
    expect(told).toEqual([])
    await write({ '.env': 'A=2\n' })
    await toldOf(told, 'A')
  })

  it('tells of all where values refer to one another', async () => {
    await write({ '.env': 'A=$B\nB=1\n' })
    const provider = await provide({ expand: true })
    await read(provider, 'A')
    const told = watch(provider)
    await write({ '.env': 'A=$B\nB=2\n' })
    await toldOf(told, undefined)
  })

  it('loses nothing while much changes in every way', async () => {
    const names = ['A', 'B', 'C', 'D']
    const random = (count: number): number => Math.floor(Math.random() * count)
    const provider = await provide()
    const told = watch(provider)
    const value = (id: string): Promise<unknown> => read(provider, id).catch(() => undefined)
    const seen = new Map<string, { value: unknown; at: number }>()
    for (let count = 0; count < 300; count++) {
      const file = ['.env', '.env.local'][random(2)] ?? ''
      const content = names
        .filter(() => random(3) > 0)
        .map((name) => `${name}=${random(10)}\n`)
        .join('')
      const way = random(10)
      if (way < 2) await rm(join(directory, file), { force: true })
      else if (way < 5) await write({ [file]: content })
      else {
        await write({ next: content })
        await rename(join(directory, 'next'), join(directory, file))
      }
      const id = names[random(4)] ?? ''
      if (random(2) === 0) {
        // Before it is asked: what is told while it is read marks it too.
        const at = told.length
        seen.set(id, { value: await value(id), at })
      }
      if (random(10) === 0) await new Promise((resolve) => void setTimeout(resolve, random(60)))
    }
    await vi.waitFor(
      async () => {
        for (const [id, { value: before, at }] of seen) if ((await value(id)) !== before) expect(told.slice(at)).toContain(id)
      },
      { timeout: 6_000 },
    )
  }, 20_000)

  it('tells nothing when it is over, and twice over is once', async () => {
    await write({ '.env': 'A=1\n' })
    const provider = await provide()
    await read(provider, 'A')
    const told: unknown[] = []
    const end = provider.watch?.((id) => void told.push(id))
    await write({ '.env': 'A=2\n' })
    end?.()
    end?.()
    await new Promise((resolve) => void setTimeout(resolve, 200))
    await read(provider, 'A')
    expect(told).toEqual([])
  })

  it('has what it found read, by the secrets', async () => {
    await write({ '.env': 'A=1\nB=1\n' })
    const secrets = createSecrets<string>({ provider: dotenv({ directory, processEnv: 'never' }), cache: { ttl: '1h' } })
    ends.push(() => secrets.close())
    expect(await secrets.getSecret('A')).toBe('1')
    await write({ '.env': 'A=2\nB=1\n' })
    await vi.waitFor(async () => expect(await secrets.getSecret('A')).toBe('2'), { timeout: 6_000 })
    const seen: unknown[] = []
    const watching = (async () => {
      for await (const { version } of secrets.watchSecret('A')) if (seen.push(version) === 3) break
    })()
    await vi.waitFor(() => expect(seen).toHaveLength(1))
    await secrets.putSecret('A', '3')
    await vi.waitFor(() => expect(seen).toHaveLength(2), { timeout: 6_000 })
    await write({ '.env': 'A=4\nB=1\n' })
    await watching
    expect(await secrets.getSecret('A')).toBe('4')
    expect(new Set(seen).size).toBe(3)
  }, 20_000)

  it('looks by the clock of the secrets too, for what no folder tells', async () => {
    const clock = createFakeClock()
    await write({ '.env': 'A=1\n' })
    const provider = await make(dotenv({ processEnv: 'never' }), { directory, clock })
    await read(provider, 'A')
    const end = provider.watch?.(() => undefined)
    await vi.waitFor(() => expect(clock.pending).toBe(1))
    await clock.advanceAsync(2_000)
    await vi.waitFor(() => expect(clock.pending).toBe(1))
    end?.()
    expect(clock.pending).toBe(0)
  })
})
