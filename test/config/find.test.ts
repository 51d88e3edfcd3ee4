import { chmod, chown, symlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findConfig, shownPath } from '../../src/config/find.js'
import { makeFolder } from './folders.js'

const isPosix = process.platform !== 'win32'
const isRoot = isPosix && process.getuid?.() === 0

describe('findConfig', () => {
  it('takes the first of a folder in the order of their kinds', async () => {
    const names = ['ts', 'mts', 'js', 'mjs', 'json'].map((ending) => `keyward.config.${ending}`)
    for (const [index, name] of names.entries()) {
      const folder = await makeFolder(Object.fromEntries(names.slice(index).map((other) => [other, ''])))
      expect(await findConfig(folder)).toBe(join(folder, name))
    }
  })

  it('looks upward, nearest first', async () => {
    const folder = await makeFolder({ 'keyward.config.ts': '', 'a/keyward.config.json': '', 'a/b/c/': '' })
    expect(await findConfig(join(folder, 'a/b/c'))).toBe(join(folder, 'a/keyward.config.json'))
    expect(await findConfig(folder)).toBe(join(folder, 'keyward.config.ts'))
  })

  it('takes a relative folder', async () => {
    const folder = await makeFolder({ 'keyward.config.ts': '' })
    expect(await findConfig(relative(process.cwd(), folder))).toBe(join(folder, 'keyward.config.ts'))
  })

  it.each(['package.json', '.git', '.git/'])('ends at the first folder with %s, which it still looks into', async (boundary) => {
    const folder = await makeFolder({
      'keyward.config.ts': '',
      [`inner/${boundary}`]: '',
      'inner/src/': '',
      [`full/${boundary}`]: '',
      'full/keyward.config.mjs': '',
      'full/src/': '',
    })
    await expect(findConfig(join(folder, 'inner/src'))).rejects.toMatchObject({ code: 'invalid-config' })
    expect(await findConfig(join(folder, 'full/src'))).toBe(join(folder, 'full/keyward.config.mjs'))
  })

  it('says where it looked and how to make one', async () => {
    const folder = await makeFolder({ 'package.json': '{}', 'a/b/': '' })
    await expect(findConfig(join(folder, 'a/b'))).rejects.toThrow(
      `was not found in ${join(folder, 'a/b')} and above it, up to ${folder}; expected a keyward.config.ts beside package.json`,
    )
    await expect(findConfig(folder)).rejects.toThrow(`was not found in ${folder}; expected`)
  })

  it('refuses a folder that is none', async () => {
    const folder = await makeFolder({ file: '' })
    await expect(findConfig(join(folder, 'missing'))).rejects.toThrow('loadSecrets: directory does not exist')
    await expect(findConfig(join(folder, 'file'))).rejects.toThrow('loadSecrets: directory is not a folder')
    await expect(findConfig('a\0b')).rejects.toMatchObject({ code: 'invalid-config' })
  })

  it('refuses a folder in the place of a config', async () => {
    const folder = await makeFolder({ 'keyward.config.ts/': '', 'keyward.config.json': '{}' })
    await expect(findConfig(folder)).rejects.toThrow('keyward.config.ts is not a file')
  })

  it.runIf(isPosix)('refuses a config that everyone can write, also through a link', async () => {
    const folder = await makeFolder({ 'keyward.config.json': '{}', 'linked/': '' })
    await chmod(join(folder, 'keyward.config.json'), 0o646)
    await expect(findConfig(folder)).rejects.toThrow('can be written by everyone')
    await symlink(join(folder, 'keyward.config.json'), join(folder, 'linked/keyward.config.json'))
    await expect(findConfig(join(folder, 'linked'))).rejects.toThrow('can be written by everyone')
  })

  it.runIf(isRoot)("refuses another user's config, and takes that of the user behind sudo", async () => {
    const folder = await makeFolder({ 'keyward.config.json': '{}' })
    await chown(join(folder, 'keyward.config.json'), 54321, 54321)
    const before = process.env['SUDO_UID']
    try {
      delete process.env['SUDO_UID']
      await expect(findConfig(folder)).rejects.toMatchObject({ code: 'invalid-config' })
      process.env['SUDO_UID'] = '54321'
      expect(await findConfig(folder)).toBe(join(folder, 'keyward.config.json'))
    } finally {
      if (before === undefined) delete process.env['SUDO_UID']
      else process.env['SUDO_UID'] = before
    }
  })
})

describe('shownPath', () => {
  it('is short below the working directory and free of what moves a terminal', () => {
    expect(shownPath(join(process.cwd(), 'a', 'keyward.config.ts'))).toBe(join('a', 'keyward.config.ts'))
    expect(shownPath(join(process.cwd(), '..', 'keyward.config.ts'))).toBe(join(process.cwd(), '..', 'keyward.config.ts'))
    expect(shownPath('/x\u001b[2J\u202e/y')).toBe('/x?[2J?/y')
  })
})
