import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { missingIsolate } from '../agents/isolate.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Where the values of a program stand, where that is another file. */
const valuesOf: Readonly<Record<string, string>> = {
  'read-a-secret.ts': '.env.example',
  'vault-in-production/main.ts': 'vault-in-production/development.env',
  'aws-in-production/main.ts': 'aws-in-production/development.env',
  'one-agent-four-backends/agent.ts': 'one-agent-four-backends/development.env',
}

/** How every value in the examples begins, so that one that is printed can be found. */
const valueMark = 'not-a-real-'

/** By file: what it prints, with times and lengths of time as they come. */
const expected: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  'demo.ts': [
    '',
    'A granted read',
    '  researcher read SEARCH_KEY: 23 characters, and the service says: accepted',
    '  a second read came from memory: 1 call of the provider for both',
    '',
    'A denied read',
    '  researcher asked for STRIPE_KEY: denied by the scope, after 0 calls of the provider',
    '',
    'A rotation',
    '  .env has a new key, and the service takes the old one no more',
    '  useSecret: the service answered 401 to the cached key; read anew, attempt 2 was accepted',
    '',
    'An outage',
    '  the backend is down and the cached copy is old: the read was answered all the same (accepted, served stale: true)',
    '  the backend is back: the next read was a miss again',
    '',
    'What the audit was told',
    /^ {2}type +name +agent +cache +outcome$/,
    /^ {2}scope +- +researcher +- +-$/,
    /^ {2}read +SEARCH_KEY +researcher +miss +ok$/,
    /^ {2}read +SEARCH_KEY +researcher +hit +ok$/,
    /^ {2}read +STRIPE_KEY +researcher +- +denied +by scope$/,
    /^ {2}read +SEARCH_KEY +researcher +hit +ok$/,
    /^ {2}read +SEARCH_KEY +researcher +miss +ok$/,
    /^ {2}invalidate +SEARCH_KEY +- +- +-$/,
    /^ {2}read +SEARCH_KEY +researcher +stale +ok$/,
    /^ {2}read +SEARCH_KEY +researcher +stale +ok$/,
    /^ {2}refresh +SEARCH_KEY +- +- +unavailable$/,
    /^ {2}read +SEARCH_KEY +researcher +miss +ok$/,
  ],
  'clean-logs.ts': [
    'ApiError: 401 for Bearer [secret OPENAI_API_KEY]',
    'sent {',
    "  url: 'https://api.example.com/?key=[secret OPENAI_API_KEY]',",
    /^ {2}basic: 'dXNlcj\[secret OPENAI_API_KEY\]={0,2}'$/,
    '}',
  ],
  'langchain-agent.ts': [
    'audit: assistant/weather WEATHER_KEY ok',
    'audit: assistant/weather WEATHER_KEY ok',
    'audit: assistant/refund STRIPE_KEY denied',
    'the model was told: 18 degrees in Oslo (asked with [secret WEATHER_KEY])',
    'the model was told: Error: 401: "[secret WEATHER_KEY]" may not ask for Atlantis',
    /^the model was told: AccessDeniedError: keyward: secret "STRIPE_KEY" is not granted to agent "assistant", tool "refund" \[not-granted\]/,
  ],
  'ai-sdk-agent.ts': [
    'the model was told: {"path":"/v1/customers/1","authorization":"Bearer [secret CRM_KEY]"}',
    'refused: keyward: a fetch with secret "CRM_KEY" of agent "assistant", tool "crm" was refused [path]: the path is none of those that are allowed (/v1/*)',
    'refused: keyward: a fetch with secret "CRM_KEY" of agent "assistant", tool "crm" was refused [origin]: https://evil',
    'Done.',
  ],
  'clean-child-process.ts': ['deploying with [secret DEPLOY_TOKEN], done'],
  'read-a-secret.ts': [
    'OPENAI_API_KEY was read: 21 characters',
    'its promise prints as [secret OPENAI_API_KEY]',
    'redacted it prints as [secret OPENAI_API_KEY] and as {"redacted":"[secret OPENAI_API_KEY]"}',
    'reveal() gives the value',
    'LOG_LEVEL is info',
  ],
  'code-mode.ts': [
    'posted: Bearer [secret SEARCH_KEY]',
    /^told the model: .*Bearer \[secret SEARCH_KEY\]/,
    'told the client: {"query":"weather","sent":{"authorization":"Bearer [secret SEARCH_KEY]"}}',
    'told the client: {"posted":true}',
  ],
  'scope-per-agent.ts': [
    'researcher reads search/primary: 21 characters',
    'STRIPE_KEY for researcher: denied by scope [not-granted]',
    'search/billing for researcher: denied by scope [denied-location]',
    'search/primary for web-search: denied by scope [reads-used-up]',
    'search/primary for web-search: denied by scope [revoked]',
  ],
  'config-per-environment/main.ts': [
    'development: search/api-key comes from dotenv, reference search_api_key (21 characters)',
    'production: search/api-key comes from env, reference SEARCH_SERVICE_KEY (32 characters)',
  ],
  'vault-in-production/main.ts': ['development: OPENAI_API_KEY comes from dotenv, reference OPENAI_API_KEY (26 characters)'],
  'aws-in-production/main.ts': [
    'development: researcher reads OPENAI_API_KEY from dotenv, reference OPENAI_API_KEY (26 characters), held to it by the process',
    'development: billing reads STRIPE_KEY from dotenv, reference STRIPE_KEY (37 characters), held to it by the process',
  ],
  'one-agent-four-backends/agent.ts': [
    'the researcher asks the model with a key that signs 1315a92bd17d, and searches with one that signs 9cb6773920d9',
    'and is refused the one for payments: denied',
    'all of it from dotenv',
  ],
  'rotate-without-restart.ts': ['calling the service with version 1', 'three results', 'calling the service with version 1', 'calling the service with version 2', 'three results'],
  'rotate-by-hand.ts': [
    'memory: has all that the config asks for',
    'search/api-key: version 1 was replaced by version 2',
    'search/api-key: over version 1 once more is a conflict',
    'database: the user is still app',
    'listed: DB_PASSWORD, version 2',
    'listed: database, version 2',
    'listed: search/api-key, version 2',
  ],
  'openai-sdk-with-no-key-in-memory.ts': [
    'the model says: hello, Bearer [secret OPENAI_API_KEY]',
    'the key is in the client: false',
    'another server: denied [origin]',
    'another path: denied [path]',
    'after the scope was revoked: denied [revoked]',
  ],
  'proxy-for-any-language.ts': [
    'the model says: {"answer":"hello, Bearer [secret OPENAI_API_KEY]"}',
    'another path: 403, keyward-error: denied',
    'without the token: 403, keyward-error: None',
    'the key is in the environment: False',
    'after the scope was revoked: nobody listens',
  ],
  'approve-by-a-person.ts': [
    'biller read SEARCH_KEY',
    'May biller read STRIPE_KEY?',
    'biller read STRIPE_KEY',
    'biller read STRIPE_KEY',
    'May biller read PAYROLL_KEY?',
    'biller was refused PAYROLL_KEY by authorize: not-approved',
  ],
  'throttle-an-agent.ts': ['read 1: ok', 'read 2: ok', 'read 3: ok', /^read 4: too-many-reads, again in \d+ s$/, /^read 5: too-many-reads, again in \d+ s$/],
  'fail-closed-audit.ts': ['while the log is down: denied, by authorize', 'biller reads STRIPE_KEY', 'biller reads STRIPE_KEY'],
  'survive-an-outage.ts': [
    'down: the read was answered; served stale: true',
    'down: OTHER fails with unavailable, after 0 calls of its own',
    'down after a denial: KEY fails with unavailable',
  ],
  'audit-to-json-lines.ts': [
    /^\{"type":"scope",.*"agent":"researcher","labels":\{"run":"42"\}\}$/,
    /^\{"type":"read","name":"OPENAI_API_KEY",.*"cache":"miss"/,
    /^\{"type":"read","name":"OPENAI_API_KEY",.*"cache":"hit"/,
    /^\{"type":"read","name":"STRIPE_KEY","outcome":"denied",.*"deniedBy":"scope"/,
  ],
  'batch-of-secrets.ts': ['both were read: 14 and 21 characters', 'all or nothing: not-found for CACHE_URL, MAIL_URL', 'partial: DATABASE_URL ok', 'partial: CACHE_URL not-found'],
  'validate-with-a-schema.ts': ['database/main: db.internal:5432', 'database/broken: invalid-value [schema]'],
  'own-provider.ts': ['search/api-key was read: 21 characters', 'search/other-key: not-found, status 404, provider secrets-service'],
  'test-your-agent.ts': [
    'ok: a rotation is seen after ttl',
    'ok: a name outside the grant is denied',
    'ok: the scope ends after an hour',
    'ok: an outage is told after two attempts',
  ],
  // These serve, and end with their input: servers.test.ts has clients for them.
  'mcp-server.ts': [''],
  'graft-tool-server.ts': [''],
}

/** A copy within the repository, where `keyward` means this package: a checkout may belong to another user, and keyward trusts no file of another user. */
let directory: string
beforeAll(async () => {
  await mkdir(join(root, '.cache'), { recursive: true })
  directory = await mkdtemp(join(root, '.cache/examples-'))
  await cp(join(root, 'examples'), directory, { recursive: true })
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('the examples', () => {
  it.concurrent.each(Object.entries(expected))('%s', { timeout: 60_000 }, async (file, lines) => {
    // The only one with native code.
    if (file === 'code-mode.ts' && missingIsolate !== undefined)
      return expect(await run(file)).toMatchObject({ errors: expect.stringContaining('No native build was found') as unknown })
    const { code, output, errors } = await run(file)
    expect(code, `${output}${errors}`).toBe(0)
    const printed = output.trimEnd().split('\n')
    expect(printed, `printed: ${output}`).toHaveLength(lines.length)
    for (const [index, line] of lines.entries()) expect(printed[index]).toEqual(typeof line === 'string' ? line : expect.stringMatching(line))
    expect(output + errors).not.toContain(valueMark)
  })

  it('are all run', async () => {
    const files = await readdir(join(root, 'examples'), { recursive: true, withFileTypes: true })
    const programs = files.filter((file) => file.isFile() && /\.[jt]s$/.test(file.name) && file.name !== 'keyward.config.ts')
    expect(programs.map((file) => relative(join(root, 'examples'), join(file.parentPath, file.name))).toSorted()).toEqual(Object.keys(expected).toSorted())
  })

  it.each(Object.keys(expected))('%s has values that could be found', async (file) => {
    expect(await readFile(join(root, 'examples', valuesOf[file] ?? file), 'utf8')).toContain(valueMark)
  })
})

/** As a user would: in a process of its own, with the Node that runs the tests. */
function run(file: string): Promise<{ code: number | string; output: string; errors: string }> {
  const { KEYWARD_ENV: _, ...environment } = process.env
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [join(directory, file)], { cwd: root, env: environment, timeout: 60_000 }, (error, output, errors) => {
      resolve({ code: error === null ? 0 : (error.code ?? 'killed'), output, errors })
    })
    child.stdin?.end()
  })
}
