import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, rename, rm, stat, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import { dotenv, type DotenvOptions } from '../../providers/dotenv/index.js'
import { isSecretError } from '../../src/errors/secret-error.js'
import { createSecrets } from '../../src/index.js'
import type { BuiltInProviders } from '../../src/registry.js'
import { directory, useDirectory, write } from './directory.js'
import { context, make, read, withVariables } from './setup.js'

const isRoot = process.getuid?.() === 0
const isWindows = process.platform === 'win32'

useDirectory()

async function failureOf(promise: Promise<unknown>): Promise<{ code: string; message: string; reason: string | undefined }> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isSecretError(error)) throw error ?? new Error('it did not fail')
  return error
}
const provide = (options?: DotenvOptions, setup: { environment?: string; warnings?: string[] } = {}) => make(dotenv(options), { directory, ...setup })

describe('dotenv', () => {
  it('fails its check where `directory` leads to none, and names the variable that differs in case alone', async () => {
    await write({ '.env': 'OPENAI_API_KEY=x', file: '' })
    for (const wrong of ['nope', 'file']) {
      const result = await createSecrets<string>({ provider: { name: 'dotenv', directory: join(directory, wrong) } }).check()
      expect(result['dotenv']).toMatchObject({ ok: false, error: { code: 'invalid-config' } })
      expect((result['dotenv'] as { error: Error }).error.message).toContain('dotenv.directory leads to')
    }
    expect(await createSecrets<string>({ provider: { name: 'dotenv', directory } }).check()).toEqual({ dotenv: { ok: true } })
    const { message } = await failureOf(createSecrets<string>({ provider: { name: 'dotenv', directory } }).getSecret('openai_api_key'))
    expect(message).toContain('There is OPENAI_API_KEY, and upper and lower case count. ')
  })

  it('has the options that the registry spells out', () => {
    expectTypeOf<DotenvOptions>().toEqualTypeOf<BuiltInProviders['dotenv']>()
  })

  it('reads what dotenv reads', async () => {
    await write({ '.env': '\ufeffA=1 # one\r\nexport B = "two\\nlines"\r\nC: \'raw\\n$A\'\r\nD=`x "y"`\r\nEMPTY=\r\nA=last\r\nMANY="x\r\ny"\r\n' })
    const provider = await provide()
    expect(provider.name).toBe('dotenv')
    for (const [name, value] of Object.entries({ A: 'last', B: 'two\nlines', C: 'raw\\n$A', D: 'x "y"', EMPTY: '', MANY: 'x\ny' })) expect(await read(provider, name)).toBe(value)
  })

  it('knows no inherited names, and takes own ones', async () => {
    await write({ '.env': 'KEY=1' })
    for (const id of ['constructor', '__proto__', 'toString']) expect(await failureOf(read(await provide(), id))).toMatchObject({ code: 'not-found', reason: undefined })
    await write({ '.env': `constructor=own\nexport __proto__='lost by dotenv' # comment\ntoString=` })
    const provider = await provide()
    expect(await read(provider, 'constructor')).toBe('own')
    expect(await read(provider, '__proto__')).toBe('lost by dotenv')
    expect(await read(provider, 'toString')).toBe('')
  })

  it('takes the usual files in order', async () => {
    await write({ '.env': 'A=1\nB=1\nC=1\nD=1', '.env.development': 'A=2\nB=2\nC=2', '.env.local': 'A=3\nB=3', '.env.development.local': 'A=4' })
    const all = async (environment?: string, options?: DotenvOptions) => {
      const provider = await provide(options, environment === undefined ? {} : { environment })
      return (await Promise.all(['A', 'B', 'C', 'D'].map((id) => read(provider, id)))).join('')
    }
    expect(await all('development')).toBe('4321')
    expect(await all()).toBe('3311')
    expect(await all('test')).toBe('1111')
    expect(await all('production', { environment: 'development' })).toBe('4321')
    expect(await all('local')).toBe('3311')
  })

  it('takes the files that it is told, and warns once of one that is missing', async () => {
    await mkdir(join(directory, 'config'))
    await write({ 'config/first': 'A=1', 'config/second': 'A=2\nB=2' })
    const warnings: string[] = []
    const provider = await provide({ directory: 'config', files: ['missing', 'first', join(directory, 'config', 'second')] }, { warnings })
    expect(await Promise.all([read(provider, 'A'), read(provider, 'B')])).toEqual(['1', '2'])
    await read(provider, 'A')
    expect(warnings).toEqual([expect.stringContaining('dotenv file "missing"')])
    expect((await failureOf(read(provider, 'C'))).message).toMatch(/missing \(does not exist\), first, .*second/)
  })

  it('says for a secret that is missing which files were looked at', async () => {
    await write({ '.env': 'A=1' })
    const warnings: string[] = []
    const failure = await failureOf(read(await provide({}, { environment: 'dev', warnings }), 'B'))
    expect(failure).toMatchObject({ code: 'not-found', reason: undefined })
    expect(failure.message).toContain('.env.dev.local (does not exist), .env.local (does not exist), .env.dev (does not exist), .env in ')
    expect(warnings).toEqual([])
  })

  it('puts the variables of the process first, last or nowhere', async () => {
    await write({ '.env': 'KEYWARD_BOTH=file\nKEYWARD_FILE=file' })
    await withVariables({ KEYWARD_BOTH: 'process', KEYWARD_PROCESS: '', KEYWARD_FILE: undefined }, async () => {
      const results = async (processEnv?: 'first' | 'last' | 'never') => {
        const provider = await provide(processEnv === undefined ? {} : { processEnv })
        return Promise.all(['KEYWARD_BOTH', 'KEYWARD_FILE', 'KEYWARD_PROCESS'].map((id) => read(provider, id).catch((error: { code: string }) => error.code)))
      }
      expect(await results()).toEqual(['process', 'file', ''])
      expect(await results('last')).toEqual(['file', 'file', ''])
      expect(await results('never')).toEqual(['file', 'file', 'not-found'])
    })
  })

  it('sees every change, also one of the same size in the same moment', async () => {
    await write({ '.env': 'A=00' })
    const provider = await provide()
    for (let count = 10; count < 60; count++) {
      await write({ '.env': `A=${count}` })
      expect(await read(provider, 'A')).toBe(String(count))
    }
    await rm(join(directory, '.env'))
    expect((await failureOf(read(provider, 'A'))).code).toBe('not-found')
    await write({ '.env.new': 'A=renamed' })
    await rename(join(directory, '.env.new'), join(directory, '.env'))
    expect(await read(provider, 'A')).toBe('renamed')
    await write({ '.env.local': 'A=before' })
    expect(await read(provider, 'A')).toBe('before')
  })

  it('keeps what it parsed of a file that has rested, until it changes', async () => {
    await write({ '.env': 'A=old' })
    await vi.waitUntil(async () => Date.now() - (await stat(join(directory, '.env'))).ctimeMs > 2_200, { timeout: 5_000, interval: 100 })
    const provider = await provide()
    expect(await read(provider, 'A')).toBe('old')
    expect(await read(provider, 'A')).toBe('old')
    const { atime, mtime } = await stat(join(directory, '.env'))
    await write({ '.env': 'A=new' })
    // A time that is put back hides nothing: the change time cannot be.
    await utimes(join(directory, '.env'), atime, mtime)
    expect(await read(provider, 'A')).toBe('new')
  })

  it('starts no load before the calls that it serves', async () => {
    await write({ '.env': 'A=1' })
    const provider = await provide()
    const early = read(provider, 'A')
    await Promise.resolve()
    await write({ '.env': 'A=2' })
    const late = Promise.all([read(provider, 'A'), read(provider, 'A')])
    await early
    expect(await late).toEqual(['2', '2'])
  })

  it('goes on after a load that failed', async () => {
    await write({ '.env': 'broken' })
    const provider = await provide()
    const failed = failureOf(read(provider, 'A'))
    expect((await failed).code).toBe('invalid-config')
    await write({ '.env': 'A=1' })
    expect(await read(provider, 'A')).toBe('1')
  })

  it('names file and line of what is broken, and never the content', async () => {
    await write({ '.env': 'A=1\r\n\r\n# fine\r\nsk-live-4242\r\nB=2' })
    const broken = await failureOf(read(await provide(), 'A'))
    expect(broken).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('dotenv file ".env" line 4 is neither an assignment nor a comment; expected NAME=value'),
    })
    expect(broken.message).not.toContain('4242')
    await write({ '.env': 'A=1\nB="sk-live-4242\nC=3' })
    const open = await failureOf(read(await provide(), 'A'))
    expect(open.message).toContain('dotenv file ".env" line 2 opens a quote that is never closed')
    expect(open.message).not.toContain('4242')
  })

  it.each([
    ['UTF-16 little endian', Buffer.from('\ufeffA=1', 'utf16le'), /is UTF-16/],
    ['UTF-16 big endian', Buffer.from('\ufeffA=1', 'utf16le').swap16(), /is UTF-16/],
    ['UTF-16 without a mark', Buffer.from('A=1', 'utf16le'), /is UTF-16/],
    ['Latin 1', Buffer.from('A=é', 'latin1'), /is not UTF-8/],
  ])('refuses %s', async (_, bytes, message) => {
    await write({ '.env': bytes })
    expect(await failureOf(read(await provide(), 'A'))).toMatchObject({ code: 'invalid-config', message: expect.stringMatching(message) })
  })

  it('refuses a directory, a pipe, and a file beyond all use', async () => {
    await mkdir(join(directory, '.env'))
    expect(await failureOf(read(await provide(), 'A'))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('dotenv file ".env" is a directory') })
    await write({ large: `A=1\n#${'x'.repeat(1_048_576)}` })
    expect((await failureOf(read(await provide({ files: ['large'] }), 'A'))).message).toContain('dotenv file "large" is larger than 1 MiB')
    if (isWindows) return
    await promisify(execFile)('mkfifo', [join(directory, 'pipe')])
    expect((await failureOf(read(await provide({ files: ['pipe'] }), 'A'))).message).toContain('dotenv file "pipe" is a pipe')
  })

  it.skipIf(isWindows)('refuses a file that everyone can write, behind a link too', async () => {
    await write({ target: 'A=1' })
    await symlink('target', join(directory, '.env'))
    const provider = await provide()
    expect(await read(provider, 'A')).toBe('1')
    await chmod(join(directory, 'target'), 0o666)
    expect(await failureOf(read(provider, 'A'))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('dotenv file ".env" can be written by everyone') })
    await chmod(join(directory, 'target'), 0o600)
    expect(await read(provider, 'A')).toBe('1')
  })

  it.skipIf(!isRoot)('refuses a file of another user, unless it is the one who called sudo', async () => {
    await write({ '.env': 'A=1' })
    await chown(join(directory, '.env'), 54_321, 54_321)
    const provider = await provide()
    await withVariables({ SUDO_UID: undefined }, async () => {
      expect(await failureOf(read(provider, 'A'))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('belongs to user 54321') })
    })
    await withVariables({ SUDO_UID: '54321' }, async () => {
      expect(await read(provider, 'A')).toBe('1')
    })
  })

  it('hands raw errors to failure, which goes by their code', async () => {
    await write({ plain: 'A=1' })
    const provider = await provide({ files: ['plain/.env'] })
    const error: unknown = await read(provider, 'A').catch((reason: unknown) => reason)
    expect(provider.failure(error)).toMatchObject({ code: 'invalid-config', reason: 'ENOTDIR', fix: expect.stringContaining('.env') })
    const coded = (code: string) => provider.failure(Object.assign(new Error('EMFILE EACCES'), { code, path: 'a\u202eb' }))
    expect(coded('EACCES')).toMatchObject({ code: 'denied', fix: expect.stringContaining('"a?b"') })
    expect(coded('EMFILE')).toMatchObject({ code: 'unavailable' })
    expect(coded('ETIMEDOUT')).toMatchObject({ code: 'timeout' })
    expect(coded('constructor')).toBeUndefined()
    expect(provider.failure(new Error('EACCES'))).toBeUndefined()
    expect(provider.failure(undefined)).toBeUndefined()
  })

  it.skipIf(isRoot || isWindows)('tells a file that it may not read as denied', async () => {
    await write({ '.env': 'A=1' })
    await chmod(join(directory, '.env'), 0)
    const provider = await provide()
    const error: unknown = await read(provider, 'A').catch((reason: unknown) => reason)
    expect(provider.failure(error)).toMatchObject({ code: 'denied', reason: 'EACCES' })
  })

  it('is told by the core with the name of the secret, the file and the line', async () => {
    await write({ '.env': 'A=1\nsk-live-4242' })
    const secrets = createSecrets<string>({ provider: dotenv({ directory }) })
    const failure = await failureOf(secrets.getSecret('B'))
    await secrets.close()
    expect(failure).toMatchObject({ code: 'invalid-config', message: expect.stringMatching(/secret "B".*dotenv file "\.env" line 2 is neither/) })
    expect(failure.message).not.toContain('4242')
  })

  it('expands over all files and the process, when it is told to', async () => {
    await write({
      '.env': `KEYWARD_URL=https://\${KEYWARD_USER}@$KEYWARD_HOST\nKEYWARD_HOST=base\nRAW='$KEYWARD_HOST'\nTICK=\`$KEYWARD_HOST\``,
      '.env.local': 'KEYWARD_HOST=local',
    })
    await withVariables({ KEYWARD_USER: 'a$KEYWARD_HOST', KEYWARD_URL: undefined, KEYWARD_HOST: undefined }, async () => {
      expect(await read(await provide(), 'KEYWARD_URL')).toBe('https://${KEYWARD_USER}@$KEYWARD_HOST')
      const provider = await provide({ expand: true })
      expect(await read(provider, 'KEYWARD_URL')).toBe('https://a$KEYWARD_HOST@local')
      expect(await read(provider, 'RAW')).toBe('$KEYWARD_HOST')
      expect(await read(provider, 'TICK')).toBe('local')
      expect(await read(provider, 'KEYWARD_USER')).toBe('a$KEYWARD_HOST')
      expect(await read(await provide({ expand: true, processEnv: 'never' }), 'KEYWARD_URL')).toBe('https://@local')
    })
    await withVariables({ KEYWARD_HOST: 'process' }, async () => {
      expect(await read(await provide({ expand: true }), 'TICK')).toBe('process')
      expect(await read(await provide({ expand: true, processEnv: 'last' }), 'TICK')).toBe('local')
    })
    await write({ '.env': 'LOOP=$LOOP' })
    expect(await failureOf(read(await provide({ expand: true }), 'LOOP'))).toMatchObject({ code: 'invalid-value', message: expect.stringContaining('dotenv file ".env"') })
  })

  it('checks its files when it is asked to, and ends for a signal that is aborted already', async () => {
    const provider = await provide()
    await provider.check?.(context)
    await write({ '.env': 'broken' })
    expect((await failureOf(provider.check?.(context) ?? Promise.resolve())).code).toBe('invalid-config')
    await expect(provider.get({ id: 'A' }, { signal: AbortSignal.abort(new Error('enough')), timeout: 1 })).rejects.toThrow('enough')
  })

  it('maps names', async () => {
    const provider = await provide()
    expect(provider.locate?.('search/api-Key.v1')).toEqual({ id: 'search_api_Key.v1' })
    expect(() => provider.locate?.('a b')).toThrow(expect.objectContaining({ code: 'unsupported' }))
    await write({ '.env': 'a-b=only by reference' })
    expect(await read(provider, 'a-b')).toBe('only by reference')
  })

  it.each<[unknown, RegExp]>([
    [{ file: '.env' }, /dotenv\.file is not an option; did you mean "files"/],
    [{ files: '.env' }, /dotenv\.files is not a list/],
    [{ files: [] }, /dotenv\.files is empty/],
    [{ files: ['.env', 3] }, /dotenv\.files\[1\] is not a string/],
    [{ directory: '' }, /dotenv\.directory is empty/],
    [{ environment: '../x' }, /dotenv\.environment holds a character/],
    [{ expand: 'yes' }, /dotenv\.expand is not a boolean/],
    [{ processEnv: true }, /dotenv\.processEnv is none of its values; expected 'first', 'last' or 'never'/],
  ])('refuses %j', (options, message) => {
    expect(() => dotenv(options as DotenvOptions)).toThrow(message)
  })

  it('refuses an environment that leads to other directories, naming KEYWARD_ENV', async () => {
    await expect(provide({}, { environment: 'a/../../b' })).rejects.toThrow(/KEYWARD_ENV/)
  })

  it('copies its list of files', async () => {
    await write({ one: 'A=1', two: 'A=2' })
    const files = ['one']
    const factory = dotenv({ files })
    files[0] = 'two'
    expect(await read(await make(factory, { directory }), 'A')).toBe('1')
  })

  it('writes nothing: not to process.env, not to the output', async () => {
    await write({ '.env': 'KEYWARD_QUIET=1\nKEYWARD_TWICE=$KEYWARD_QUIET' })
    const before = { ...process.env }
    const written: unknown[] = []
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => written.push(chunk) > 0)
    const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => written.push(chunk) > 0)
    const log = vi.spyOn(console, 'log').mockImplementation((text) => void written.push(text))
    const error = vi.spyOn(console, 'error').mockImplementation((text) => void written.push(text))
    try {
      const provider = await withVariables({ DOTENV_DEBUG: 'true', DOTENV_CONFIG_DEBUG: 'true', DEBUG: '*' }, async () => {
        const made = await provide({ expand: true, files: ['missing', '.env'] })
        expect(await read(made, 'KEYWARD_TWICE')).toBe('1')
        return made
      })
      await failureOf(read(provider, 'KEYWARD_MISSING'))
    } finally {
      for (const spy of [stdout, stderr, log, error]) spy.mockRestore()
    }
    expect(written).toEqual([])
    expect({ ...process.env }).toEqual(before)
  })
})
