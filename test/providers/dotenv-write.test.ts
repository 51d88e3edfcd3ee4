import { chmod, chown, link, mkdir, readdir, readFile, readlink, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { dotenv, type DotenvOptions } from '../../providers/dotenv/index.js'
import { writeFailure } from '../../providers/dotenv/failure.js'
import { withLock } from '../../providers/dotenv/lock.js'
import { replaceFile } from '../../providers/dotenv/replace.js'
import { createSecrets } from '../../src/index.js'
import type { SecretWrite } from '../../src/provider.js'
import { directory, useDirectory, write } from './directory.js'
import { context, failureOf, make, read, withVariables } from './setup.js'

const isRoot = process.getuid?.() === 0
const isWindows = process.platform === 'win32'

useDirectory()

const text = (name = '.env') => readFile(join(directory, name), 'utf8')
const provide = (options: DotenvOptions = {}, environment?: string) =>
  make(dotenv({ processEnv: 'never', ...options }), { directory, ...(environment === undefined ? {} : { environment }) })
async function put(id: string, value: SecretWrite['value'], options: DotenvOptions = {}, environment?: string) {
  return (await provide(options, environment)).put?.({ id }, { value }, context)
}

describe('put', () => {
  it('leaves byte order mark, line ends, comments, order and what is not its line', async () => {
    const before = '\ufeff# top\r\n\r\nexport FIRST="1" # one\r\nB=2\r\nFIRST=again\r\n\r\n# end'
    await write({ '.env': before })
    const provider = await provide()
    await provider.put?.({ id: 'FIRST' }, { value: 'x' }, context)
    expect(await text()).toBe(before.replace('again', 'x'))
    await provider.put?.({ id: 'NEW' }, { value: 'a b' }, context)
    expect(await text()).toBe(`${before.replace('again', 'x')}\r\nNEW='a b'`)
    await provider.delete?.({ id: 'NEW' }, context)
    await provider.delete?.({ id: 'FIRST' }, context)
    expect(await text()).toBe('\ufeff# top\r\n\r\nB=2\r\n\r\n# end\r\n')
  })

  it.each<[string, readonly string[], DotenvOptions, string | undefined, string]>([
    ['the file whose value counts', ['.env=A', '.env.local=A'], {}, undefined, '.env.local'],
    ['the one that has it, also where others stand before it', ['.env=A', '.env.local=B'], {}, undefined, '.env'],
    ['the first that there is', ['.env=B'], {}, undefined, '.env'],
    ['the first that there is', ['.env=B', '.env.local=B'], {}, undefined, '.env.local'],
    ['that of the environment', ['.env=B', '.env.dev=B'], {}, 'dev', '.env.dev'],
    ['a local one where there is none', [], {}, undefined, '.env.local'],
    ['a local one where there is none', [], {}, 'dev', '.env.local'],
    ['the local one of tests', [], {}, 'test', '.env.test.local'],
    ['the first that it is told', [], { files: ['one', 'two'] }, undefined, 'one'],
    ['the first of those that there is', ['two=B'], { files: ['one', 'two'] }, undefined, 'two'],
  ])('writes to %s: %j', async (_, existing, options, environment, expected) => {
    await write(Object.fromEntries(existing.map((one) => [one.split('=')[0], `${one.split('=')[1]}=old\n`])))
    await put('A', 'new', options, environment)
    expect(await text(expected)).toContain('A=new\n')
    expect(new Set(await readdir(directory))).toEqual(new Set([...existing.map((one) => one.split('=')[0]), expected]))
    expect(await read(await provide(options, environment), 'A')).toBe('new')
  })

  it('never writes what a variable of the process would stand before, and says so', async () => {
    await write({ '.env': 'KEYWARD_SHADOWED=file\n' })
    await withVariables({ KEYWARD_SHADOWED: 'process' }, async () => {
      const failure = await failureOf(put('KEYWARD_SHADOWED', 'sk-live-4242', { processEnv: 'first' }))
      expect(failure).toMatchObject({ code: 'unsupported', reason: 'shadowed', message: expect.stringContaining('KEYWARD_SHADOWED is an environment variable of this process') })
      expect(failure).toMatchObject({ message: expect.stringContaining("set `dotenv.processEnv` to 'never' or 'last'") })
      expect(failure.message).not.toContain('4242')
      for (const processEnv of ['first', 'last'] as const)
        expect(await failureOf((await provide({ processEnv })).delete?.({ id: 'KEYWARD_SHADOWED' }, context))).toMatchObject({ code: 'unsupported', reason: 'shadowed' })
      expect(await text()).toBe('KEYWARD_SHADOWED=file\n')
      await put('KEYWARD_SHADOWED', 'new', { processEnv: 'last' })
      await put('KEYWARD_SHADOWED', 'newer', { processEnv: 'never' })
      expect(await text()).toBe('KEYWARD_SHADOWED=newer\n')
    })
  })

  it('refuses what a file cannot keep, and changes nothing', async () => {
    await write({ '.env': 'A=1\n' })
    const provider = await provide()
    const refused: readonly [SecretWrite, string, string][] = [
      [{ value: 'sk-4242', stage: 'next' }, 'unsupported', 'stage'],
      [{ value: 'sk-4242', idempotencyKey: 'key' }, 'unsupported', 'idempotencyKey'],
      [{ value: 'sk-4242', expiresAt: new Date() }, 'unsupported', 'expiresAt'],
      [{ value: 'sk-4242', contentType: 'text/plain' }, 'unsupported', 'contentType'],
      [{ value: new Uint8Array(3) }, 'unsupported', 'bytes'],
      [{ value: 'sk-4242\0' }, 'invalid-value', 'no-text'],
      [{ value: 'sk-4242\ud800' }, 'invalid-value', 'no-text'],
      [{ value: `sk-4242 #'"\`` }, 'invalid-value', 'no-spelling'],
      [{ value: 'sk-4242'.repeat(150_000) }, 'invalid-value', 'too-large'],
    ]
    for (const [given, code, reason] of refused) {
      const failure = await failureOf(provider.put?.({ id: 'A' }, given, context))
      expect(failure).toMatchObject({ code, reason })
      expect(failure.message).not.toContain('4242')
    }
    expect(await failureOf(provider.put?.({ id: 'A B' }, { value: 'x' }, context))).toMatchObject({ code: 'unsupported', reason: 'name' })
    expect(await failureOf(provider.put?.({ id: 'A', version: '1' }, { value: 'x' }, context))).toMatchObject({ code: 'unsupported', reason: 'version' })
    expect(await text()).toBe('A=1\n')
    expect(await readdir(directory)).toEqual(['.env'])
  })

  it('keeps records as JSON, and changes one field of them', async () => {
    await put('DOCUMENT', { user: 'keyward', port: 1 })
    expect(await text('.env.local')).toBe(`DOCUMENT='{"user":"keyward","port":1}'\n`)
    const secrets = createSecrets<string>({ provider: dotenv({ directory, processEnv: 'never' }), references: { USER: 'DOCUMENT#user' } })
    await Promise.all([secrets.putSecret('USER', 'other'), secrets.putSecret('NEXT', '1')])
    expect(JSON.parse(await secrets.getSecret('DOCUMENT'))).toEqual({ user: 'other', port: 1 })
    await secrets.close()
  })

  it('writes nothing to a file that is not in order, or not to be trusted', async () => {
    await write({ '.env': 'A=1\nbroken\n' })
    expect(await failureOf(put('A', 'x'))).toMatchObject({ code: 'invalid-config' })
    expect(await text()).toBe('A=1\nbroken\n')
    if (isWindows) return
    await write({ '.env': 'A=1\n' })
    await chmod(join(directory, '.env'), 0o666)
    expect(await failureOf(put('A', 'x'))).toMatchObject({ code: 'invalid-config' })
    expect(await text()).toBe('A=1\n')
  })

  it('names the directory that is not there', async () => {
    expect(await failureOf(put('A', 'x', { directory: 'nope' }))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('dotenv.directory leads to') })
    expect(await failureOf(put('A', 'x', { files: ['nope/.env'] }))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('"nope/.env" cannot be made: create its folder'),
    })
  })

  it('ends for a signal that is aborted already', async () => {
    const signal = AbortSignal.abort(new Error('enough'))
    await expect((await provide()).put?.({ id: 'A' }, { value: 'x' }, { signal, timeout: 1 })).rejects.toThrow('enough')
    await expect((await provide()).delete?.({ id: 'A' }, { signal, timeout: 1 })).rejects.toThrow('enough')
    expect(await readdir(directory)).toEqual([])
  })
})

describe('a version', () => {
  it('is that of a value under a name, for all providers of this process, and tells nothing of it', async () => {
    await write({ '.env': 'A=same\nB=same\n' })
    const [one, two] = [await provide(), await provide()]
    const versions = await Promise.all([one.get({ id: 'A' }, context), two.get({ id: 'A' }, context), one.get({ id: 'B' }, context)])
    expect(versions[1]?.version).toBe(versions[0]?.version)
    expect(versions[2]?.version).not.toBe(versions[0]?.version)
    expect(versions[0]?.version).toMatch(/^[\w-]{22}$/)
    const { version } = (await one.put?.({ id: 'A' }, { value: 'new' }, context)) ?? {}
    expect((await two.get({ id: 'A' }, context)).version).toBe(version)
  })

  it('is compared with what counts, wherever it stands', async () => {
    await write({ '.env': 'A=1\n', '.env.local': 'B=1\n' })
    const provider = await provide()
    expect(await failureOf(provider.put?.({ id: 'A' }, { value: 'x', ifVersion: null }, context))).toMatchObject({ code: 'conflict' })
    const { version = '' } = await provider.get({ id: 'A' }, context)
    await write({ '.env.local': 'A=2\n' })
    expect(await failureOf(provider.put?.({ id: 'A' }, { value: 'x', ifVersion: version }, context))).toMatchObject({ code: 'conflict' })
    const { version: now = '' } = await provider.get({ id: 'A' }, context)
    await provider.put?.({ id: 'A' }, { value: 'x', ifVersion: now }, context)
    expect([await text(), await text('.env.local')]).toEqual(['A=1\n', 'A=x\n'])
  })
})

describe('delete', () => {
  it('takes a variable out of each file, in each of its lines', async () => {
    await write({ '.env': 'A=1\n# kept\nA=2\n', '.env.local': 'B=1\nexport A="3\n4"\n' })
    const provider = await provide()
    await provider.delete?.({ id: 'A' }, context)
    expect([await text(), await text('.env.local')]).toEqual(['# kept\n', 'B=1\n'])
    expect(await failureOf(provider.delete?.({ id: 'A' }, context))).toMatchObject({ code: 'not-found' })
  })
})

describe('list', () => {
  it('names what the files have, once, and not what the process has', async () => {
    await write({ '.env': 'A_1=1\nB=1\nA_2=1\n', '.env.local': 'A_1=2\n' })
    const provider = await provide({ processEnv: 'first' })
    const ids: string[] = []
    for await (const { id } of provider.list?.('', context) ?? []) ids.push(id)
    expect(ids).toEqual(['A_1', 'A_2', 'B'])
  })
})

describe.skipIf(isWindows)('the file that takes the place of another', () => {
  it.each([0o600, 0o640, 0o644, 0o400])('has its mode %o', async (mode) => {
    await write({ '.env': 'A=1\n' })
    await chmod(join(directory, '.env'), mode)
    await put('A', 'x')
    expect((await stat(join(directory, '.env'))).mode & 0o7777).toBe(mode)
    expect(await text()).toBe('A=x\n')
  })

  it('is for its owner alone where it is new', async () => {
    const before = process.umask(0)
    try {
      await put('A', 'x')
    } finally {
      process.umask(before)
    }
    expect((await stat(join(directory, '.env.local'))).mode & 0o7777).toBe(0o600)
  })

  it.skipIf(!isRoot)('has its owner and group', async () => {
    await write({ '.env': 'A=1\n' })
    await chown(join(directory, '.env'), 54_321, 12_345)
    await withVariables({ SUDO_UID: '54321' }, () => put('A', 'x'))
    expect(await stat(join(directory, '.env'))).toMatchObject({ uid: 54_321, gid: 12_345 })
  })

  it('stands where links lead, and the links stay', async () => {
    await mkdir(join(directory, 'shared'))
    await write({ 'shared/real': 'A=1\n' })
    await symlink('shared/real', join(directory, 'middle'))
    await symlink(join(directory, 'middle'), join(directory, '.env'))
    await put('A', 'x')
    expect(await readlink(join(directory, '.env'))).toBe(join(directory, 'middle'))
    expect(await text('shared/real')).toBe('A=x\n')
    expect([await readdir(join(directory, 'shared')), (await readdir(directory)).toSorted()]).toEqual([['real'], ['.env', 'middle', 'shared']])
    // One that leads to no file yet.
    await symlink('shared/later', join(directory, '.env.local'))
    await rm(join(directory, '.env'))
    await put('B', 'y')
    expect(await text('shared/later')).toBe('B=y\n')
    await symlink('loop', join(directory, 'loop'))
    const provider = await provide({ files: ['loop'] })
    const failure = await failureOf(provider.put?.({ id: 'A' }, { value: 'x' }, context))
    expect(provider.failure(failure)).toMatchObject({ code: 'invalid-config', reason: 'ELOOP' })
  })

  it('leaves another name of the old one as it was', async () => {
    await write({ '.env': 'A=1\n' })
    await link(join(directory, '.env'), join(directory, 'snapshot'))
    await put('A', 'x')
    expect([await text(), await text('snapshot')]).toEqual(['A=x\n', 'A=1\n'])
  })

  it.skipIf(isRoot)('is not made in a folder that may not be written', async () => {
    await write({ '.env': 'A=1\n' })
    await chmod(directory, 0o500)
    try {
      expect(await failureOf(put('A', 'x'))).toMatchObject({ code: 'denied', reason: 'EACCES' })
    } finally {
      await chmod(directory, 0o700)
    }
    expect(await text()).toBe('A=1\n')
  })
})

describe('a program that knows of no lock', () => {
  it('loses nothing that it writes while a put waits for its turn', async () => {
    await write({ '.env': 'MINE=0\nTHEIRS=0\n' })
    const provider = await provide()
    let putting: Promise<unknown> | undefined
    await withLock(await realpath(directory), context, async () => {
      putting = provider.put?.({ id: 'MINE' }, { value: '1' }, context)
      await provider.get({ id: 'MINE' }, context)
      await write({ '.env': 'MINE=0\nTHEIRS=1\n' })
    })
    await putting
    expect(await text()).toBe('MINE=1\nTHEIRS=1\n')
  })

  it('is noticed before its file is replaced', async () => {
    await write({ '.env': 'A=1\n' })
    const target = join(await realpath(directory), '.env')
    const before = await stat(target, { bigint: true })
    await withLock(dirname(target), context, async (hold) => {
      await writeFile(target, 'A=theirs\n')
      expect(await replaceFile(target, new TextEncoder().encode('A=mine\n'), before, hold)).toBe(false)
      expect(await replaceFile(join(dirname(target), '.env'), new TextEncoder().encode('A=mine\n'), undefined, hold)).toBe(false)
    })
    expect(await text()).toBe('A=theirs\n')
    expect(await readdir(directory)).toEqual(['.env'])
  })
})

it('tells what ended a write', () => {
  const coded = (code: string) => writeFailure(Object.assign(new Error(code), { code }), '.env')
  expect(coded('EACCES')).toMatchObject({ code: 'denied', message: expect.stringContaining('Dotenv file ".env" cannot be written') })
  expect(coded('EROFS')).toMatchObject({ code: 'denied', message: expect.stringContaining('mounted for reading') })
  expect(coded('EBUSY')).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('mount its folder instead') })
  expect(coded('ENOSPC')).toMatchObject({ code: 'unavailable', message: expect.stringContaining('no space left') })
  expect(writeFailure(Object.assign(new Error('no'), { name: 'NotCapable' }), dirname('.'))).toMatchObject({ code: 'denied', message: expect.stringContaining('--allow-write') })
  const other = new Error('other')
  expect(writeFailure(other, '.env')).toBe(other)
})
