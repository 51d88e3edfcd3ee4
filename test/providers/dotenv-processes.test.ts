import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse } from 'dotenv'
import { build } from 'esbuild'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { dotenv } from '../../providers/dotenv/index.js'
import { withLock } from '../../providers/dotenv/lock.js'
import { replaceFile } from '../../providers/dotenv/replace.js'
import { directory, useDirectory } from './directory.js'
import { context, make, read } from './setup.js'

useDirectory()
let [scripts, script] = ['', '']
beforeAll(async () => {
  scripts = await mkdtemp(join(tmpdir(), 'keyward-writer-'))
  script = join(scripts, 'writer.mjs')
  await build({
    entryPoints: [fileURLToPath(new URL('dotenv-writer.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: ['@opentelemetry/api'],
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)` },
    logLevel: 'silent',
  })
})
afterAll(() => rm(scripts, { recursive: true, force: true }))
const children: ChildProcess[] = []
afterEach(() => {
  // Where a test failed before it came to that.
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

function begin(parameters: readonly string[]) {
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

const run = (...parameters: readonly string[]) => promisify(execFile)(process.execPath, [script, ...parameters])
const content = () => readFile(join(directory, '.env'), 'utf8')
const provide = () => make(dotenv({ processEnv: 'never' }), { directory })
async function put(id: string, value: string, signal = context.signal): Promise<void> {
  await (await provide()).put?.({ id }, { value }, { signal, timeout: 10_000 })
}
async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

describe('two processes', () => {
  it('that write a hundred names each at once lose none', async () => {
    const before = '# mine\nKEPT="as it is" # why\n'
    await writeFile(join(directory, '.env'), before)
    await Promise.all([run('names', directory, 'ONE', '100'), run('names', directory, 'TWO', '100')])
    const names = ['ONE', 'TWO'].flatMap((prefix) => Array.from({ length: 100 }, (_, number) => [`${prefix}_${number}`, `${prefix} ${number}`]))
    expect((await content()).startsWith(before)).toBe(true)
    expect(parse(await content())).toEqual({ KEPT: 'as it is', ...Object.fromEntries(names) })
    expect(await readdir(directory)).toEqual(['.env'])
  }, 60_000)

  it('and two roots of one that write at once lose none', async () => {
    const [one, two] = [await provide(), await provide()]
    const names = Array.from({ length: 100 }, (_, number) => `N${number}`)
    await Promise.all(names.map(async (id, number) => (number % 2 === 0 ? one : two).put?.({ id }, { value: id }, context)))
    await Promise.all(names.filter((_, number) => number % 3 === 0).map(async (id, number) => (number % 2 === 0 ? one : two).delete?.({ id }, context)))
    expect(parse(await readFile(join(directory, '.env.local'), 'utf8'))).toEqual(Object.fromEntries(names.filter((_, number) => number % 3 !== 0).map((id) => [id, id])))
    expect(await readdir(directory)).toEqual(['.env.local'])
  }, 60_000)

  it('that count by compare-and-set miss nothing', async () => {
    await writeFile(join(directory, '.env'), 'COUNT=0\n')
    await Promise.all([run('counter', directory, 'COUNT', '100'), run('counter', directory, 'COUNT', '100')])
    expect(await content()).toBe('COUNT=200\n')
  }, 60_000)
})

describe('a process that is killed while it writes', () => {
  it('leaves the file whole, the old one or the new one, and others write on', async () => {
    const frame = ['# above\nFIRST=1\n', `\nLAST='2' # below\n`]
    await writeFile(join(directory, '.env'), frame.join('COUNTED=none'))
    const counts: number[] = []
    let leftovers = 0
    for (let round = 0; round < 60; round++) {
      const child = begin([script, 'forever', directory, `r${round}`])
      let said = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
      await once(child.stdout, 'data')
      await new Promise((resolve) => void setTimeout(resolve, Math.random() * 25))
      await end(child, 'SIGKILL')
      leftovers += (await readdir(directory)).length - 1
      const text = await content()
      expect(text.startsWith(frame[0] ?? '') && text.endsWith(frame[1] ?? ''), `round ${round}: ${text.slice(0, 80)}`).toBe(true)
      const [, number = '', filling = '', again] = new RegExp(`^r${round} (\\d+) (x*) (\\d+)$`).exec(parse(text)['COUNTED'] ?? '') ?? []
      expect([again, filling.length]).toEqual([number, (Number(number) * 7919) % 20_000])
      // What it said that it had written is there, or what it wrote after.
      const last = Number(said.trim().split('\n').at(-1))
      expect(Number(number)).toBeGreaterThanOrEqual(last)
      counts.push(Number(number))
      // At every other kill another process finds what is left; at the rest this one does.
      if (round % 2 === 1) await put('OTHER', String(round), AbortSignal.timeout(5_000))
      if (round % 2 === 1) frame[1] = `\nLAST='2' # below\nOTHER=${round}\n`
    }
    expect(Math.max(...counts)).toBeGreaterThan(0)
    // Else no kill hit a write, and nothing was seen.
    expect(leftovers).toBeGreaterThan(5)
    await put('OTHER', 'end')
    expect(await readdir(directory)).toEqual(['.env'])
  }, 120_000)
})

describe('a lock', () => {
  const lock = () => join(directory, '.keyward.lock')

  it('of a dead process is taken over at once, and what it left is cleared away', async () => {
    // An owner of this machine: what a lock of this process is named, under the number of a process that has ended.
    const owner = await withLock(directory, context, async () => (await readdir(lock()))[0] ?? '')
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    const dead = owner.replace(/^\d+/, String(child.pid))
    await mkdir(lock())
    await writeFile(join(lock(), dead), '')
    await mkdir(`${lock()}.${dead}`)
    await writeFile(join(directory, `.env.keyward-${dead}`), 'A=half')
    await writeFile(join(directory, '.env.keyward-mine'), 'not a leftover')
    const begunAt = performance.now()
    await put('A', '1')
    expect(performance.now() - begunAt).toBeLessThan(1_000)
    expect((await readdir(directory)).toSorted()).toEqual(['.env.keyward-mine', '.env.local'])
  })

  it('of a process under a number that was given out again is taken over', async () => {
    const owner = await withLock(directory, context, async () => (await readdir(lock()))[0] ?? '')
    const [pid = '', start = '', ...rest] = owner.split('.')
    if (start === '') return
    await mkdir(lock())
    await writeFile(join(lock(), [pid, Number(start) - 1, ...rest].join('.')), '')
    await put('A', '1')
    expect(await readdir(directory)).toEqual(['.env.local'])
  })

  it('of another machine is respected while it is young', async () => {
    const [pid = '', start = '', system = '', token = ''] = (await withLock(directory, context, async () => (await readdir(lock()))[0] ?? '')).split('.')
    const foreign = join(lock(), [pid, start, system.replaceAll(/./g, '0'), token].join('.'))
    await mkdir(lock())
    await writeFile(foreign, '')
    await expect(put('A', '1', AbortSignal.timeout(300))).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }))
    expect(await readdir(directory)).toEqual(['.keyward.lock'])
    await utimes(foreign, new Date(), new Date(Date.now() - 60_000))
    await put('A', '1')
    expect(await readdir(directory)).toEqual(['.env.local'])
  })

  it('that was taken over is not written under any more', async () => {
    const target = join(directory, '.env')
    await writeFile(target, 'A=1\n')
    const before = await stat(target, { bigint: true })
    const text = new TextEncoder().encode('A=late\n')
    await withLock(directory, context, async (hold) => {
      // As the next one does that finds it too old, while this one stands still.
      await rm(join(lock(), hold.owner))
      await expect(replaceFile(target, text, before, hold)).rejects.toThrow(expect.objectContaining({ code: 'unavailable' }))
      expect(await hold.isKept()).toBe(false)
    })
    expect(await withLock(directory, context, (hold) => hold.isKept())).toBe(true)
    expect(await content()).toBe('A=1\n')
    expect(await readdir(directory)).toEqual(['.env'])
  })

  it('is told of by whoever waits for it in vain', async () => {
    const locked = withLock(directory, context, async () => {
      // As another thread or process: those of this one wait in a queue.
      const waiting = withLock(`${directory}/.`, { ...context, timeout: 200 }, async () => undefined)
      await expect(waiting).rejects.toThrow(
        expect.objectContaining({ code: 'timeout', reason: 'locked', message: expect.stringContaining('.keyward.lock": try again, or remove that folder') }),
      )
    })
    await locked
    expect(await readdir(directory)).toEqual([])
  })

  it('that is empty is none', async () => {
    await mkdir(lock())
    await put('A', '1')
    expect(await readdir(directory)).toEqual(['.env.local'])
  })

  it('is waited for in order, and given up by whoever leaves', async () => {
    const order: string[] = []
    let open: () => void = () => undefined
    const first = withLock(directory, context, () => new Promise<void>((resolve) => (open = resolve)))
    const left = withLock(directory, { signal: AbortSignal.timeout(20), timeout: 10_000 }, async () => void order.push('left'))
    const second = withLock(directory, context, async () => void order.push('second'))
    const third = withLock(directory, context, async () => void order.push('third'))
    await expect(left).rejects.toThrow()
    open()
    await Promise.all([first, second, third])
    expect(order).toEqual(['second', 'third'])
  })
})

it('a watch keeps no process alive', async () => {
  await writeFile(join(directory, '.env'), 'A=1')
  expect(await read(await provide(), 'A')).toBe('1')
  const begunAt = performance.now()
  await run('watch', directory, 'A')
  expect(performance.now() - begunAt).toBeLessThan(5_000)
}, 20_000)
