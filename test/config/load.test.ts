import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from './folders.js'

const canary = 'canary-91c3de-value'
const run = promisify(execFile)
let loader = ''

// Configs are loaded by Node itself, in a process of its own: a test runner's import would compile what Node has to take as it is.
beforeAll(async () => {
  const result = await build({
    stdin: {
      contents: `export { loadConfig } from './load.ts'\nexport { checkConfig } from './schema.ts'`,
      resolveDir: fileURLToPath(new URL('../../src/config', import.meta.url)),
      loader: 'ts',
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    write: false,
    logLevel: 'error',
    external: ['../providers/*'],
  })
  loader = result.outputFiles[0]?.text ?? ''
})

interface Outcome {
  ok: boolean
  directory?: string
  environments?: string[]
  code?: string
  message?: string
  cause?: boolean
  whole?: string
}

async function load(files: Readonly<Record<string, string>>, parameters: readonly string[] = []): Promise<Outcome & { folder: string }> {
  const folder = await makeFolder({
    'package.json': '{}',
    ...files,
    'loader/load.mjs': loader,
    'loader/run.mjs': `
    import { inspect } from 'node:util'
    import { checkConfig, loadConfig } from './load.mjs'
    const outcome = await loadConfig(process.argv[2]).then(({ value, file, directory }) => ({ config: checkConfig(value, file), directory })).then(
      ({ config, directory }) => ({ ok: true, directory, environments: Object.keys(config.environments) }),
      (error) => ({ ok: false, code: error.code, message: error.message, cause: 'cause' in error, whole: inspect(error, { depth: 9, showHidden: true }) }))
    console.log(JSON.stringify(outcome))`,
  })
  const { stdout } = await run(process.execPath, [...parameters, join(folder, 'loader/run.mjs'), folder], { cwd: folder })
  const outcome = JSON.parse(stdout) as Outcome
  expect(outcome.whole ?? '').not.toContain(canary)
  expect(outcome.cause ?? false).toBe(false)
  return { ...outcome, folder }
}

const config = `{ environments: { staging: { provider: 'dotenv' } } }`

describe('loadConfig', () => {
  it.each([
    ['keyward.config.ts', `const config: { environments: object } = ${config}\nexport default config`],
    ['keyward.config.mts', `const config: { environments: object } = ${config}\nexport default config`],
    ['keyward.config.mjs', `export default ${config}`],
    ['keyward.config.mjs', `const config = await Promise.resolve(${config})\nexport { config as default }`],
    ['keyward.config.js', `export default ${config}`],
    ['keyward.config.js', `module.exports = ${config}`],
    ['keyward.config.js', `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = ${config}`],
    ['keyward.config.json', '{ "environments": { "staging": { "provider": "dotenv" } } }'],
  ])('takes %s: %s', async (name, text) => {
    const { folder, ...outcome } = await load({ [name]: text })
    expect(outcome).toEqual({ ok: true, directory: folder, environments: ['staging'] })
  })

  it.each([
    ['JSON that is none', 'keyward.config.json', `{\n  "a": ${canary}\n}`, 'keyward.config.json:2:8 is not valid JSON'],
    ['JSON that is no config', 'keyward.config.json', `"${canary}"`, 'keyward.config.json: the config is not a plain object'],
    ['an error', 'keyward.config.mjs', `\nthrow new TypeError('${canary}')`, 'keyward.config.mjs threw TypeError while it was loaded at line 2; expected'],
    [
      'an error in TypeScript',
      'keyward.config.ts',
      `const of: string = '${canary}'\n\nthrow new RangeError(of)`,
      'keyward.config.ts threw RangeError while it was loaded at line 3; expected',
    ],
    [
      'an error whose name is a value',
      'keyward.config.mjs',
      `const error = new Error('x'); error.name = '${canary}'; error.code = '${canary}'; error.cause = '${canary}'; throw error`,
      'keyward.config.mjs threw Error while it was loaded',
    ],
    [
      'a class whose name is a value',
      'keyward.config.mjs',
      `throw new ({ '${canary}': class extends Error {} })['${canary}']()`,
      'keyward.config.mjs threw an Error while it was loaded',
    ],
    [
      'an error of no class',
      'keyward.config.mjs',
      `const error = new Error('${canary}'); error.constructor = '${canary}'; throw error`,
      'keyward.config.mjs threw an Error while it was loaded',
    ],
    ['a thrown value', 'keyward.config.mjs', `throw '${canary}'`, 'keyward.config.mjs threw something that is not an Error while it was loaded; expected'],
    ['a rejected promise', 'keyward.config.mjs', `await Promise.reject(new Error('${canary}'))`, 'keyward.config.mjs threw Error while it was loaded'],
    ['a syntax error', 'keyward.config.mjs', `const key = '${canary}' oops`, 'keyward.config.mjs has a syntax error'],
    ['a syntax error in TypeScript', 'keyward.config.ts', `const a = 1\nconst key: = '${canary}'`, 'keyward.config.ts has a syntax error at line 2;'],
    ['TypeScript that cannot be stripped', 'keyward.config.ts', `enum A { b = '${canary}' }\nexport default A`, 'keyward.config.ts uses TypeScript that cannot be stripped'],
    ['an import that is not there', 'keyward.config.mjs', `import '${canary}'`, 'keyward.config.mjs imports a module that was not found'],
    ['a file of another kind', 'keyward.config.ts', `import './keyward.test.yaml'`, 'keyward.config.ts imports a'],
    ['no default export', 'keyward.config.mjs', `export const config = '${canary}'`, 'keyward.config.mjs has no default export; expected `export default defineConfig('],
    ['a promise', 'keyward.config.mjs', `export default Promise.resolve('${canary}')`, 'keyward.config.mjs: the config is a promise'],
    ['a function', 'keyward.config.mjs', `export default () => '${canary}'`, 'keyward.config.mjs: the config is a function'],
    ['nothing in CommonJS', 'keyward.config.js', `exports.key = '${canary}'`, 'keyward.config.js: key is not an option'],
  ])('says what is wrong, quoting nothing: %s', async (_, name, text, expected) => {
    const outcome = await load({ [name]: text, 'keyward.test.yaml': '' })
    expect(outcome).toMatchObject({ ok: false, code: 'invalid-config' })
    expect(outcome.message).toContain(`keyward: ${expected}`)
  })

  it('says so where the runtime does not load TypeScript', async () => {
    const outcome = await load({ 'keyward.config.ts': `export default '${canary}'` }, ['--no-experimental-strip-types'])
    expect(outcome.message).toBe(
      'keyward: keyward.config.ts is TypeScript, which this runtime does not load; expected Node >= 22.18, or the config as .mjs or .json, or the `config` option of loadSecrets.',
    )
    const imported = await load({ 'keyward.config.mjs': "import './more.ts'", 'more.ts': `export default '${canary}'` }, ['--no-experimental-strip-types'])
    expect(imported.message).toContain('keyward.config.mjs imports a file of a kind that this runtime does not load')
  })

  it('lets a SecretError of the config through', async () => {
    const outcome = await load({
      'keyward.config.mjs': `throw Object.defineProperty(Object.assign(new Error('ours'), { code: 'unsupported' }), Symbol.for('keyward.SecretError'), { value: true })`,
    })
    expect(outcome).toMatchObject({ code: 'unsupported', message: 'ours' })
  })
})
