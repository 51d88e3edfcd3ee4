/** Before a tool runs, what is here anyway is known to redaction, read or not. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { dotenv } from '../../providers/dotenv/index.js'
import { createSecrets, type AuditEvent, type SecretsOptions } from '../../src/index.js'
import { prepareTool } from '../../src/seam.js'
import { createFakeClock } from '../../src/testing/index.js'
import { createScriptable } from '../providers/scriptable/index.js'

const values = {
  DECLARED: 'declared-4f9d2b7a81c6',
  REFERRED: 'referred-4f9d2b7a81c6',
  GRANTED: 'granted-4f9d2b7a81c6',
  OTHER: 'other-4f9d2b7a81c6',
  DOCUMENT: '{"key":"leaf-4f9d2b7a81c6"}',
}
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keyward-test-'))
})
afterAll(() => rm(directory, { recursive: true }))
const write = (more: object = {}): Promise<void> =>
  writeFile(
    join(directory, '.env'),
    Object.entries({ ...values, ...more })
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
    { mode: 0o600 },
  )
beforeEach(() => write())

function open(more: Partial<SecretsOptions<string>> = {}): { secrets: ReturnType<typeof createSecrets<string>>; events: AuditEvent[] } {
  const events: AuditEvent[] = []
  const provider = dotenv({ directory, processEnv: 'never' })
  const secrets = createSecrets<string>({ provider, secrets: { DECLARED: {}, DOCUMENT: {} }, references: { BY: 'REFERRED' }, audit: (event) => void events.push(event), ...more })
  return { secrets, events }
}

describe('before a tool runs', () => {
  it('redaction knows what is declared, referred to or granted, and is in a file, without a read', async () => {
    const { secrets, events } = open()
    const call = prepareTool(secrets.scope({ agent: 'researcher', allow: ['GRANTED', 'DECLARED'] }), { tool: 'search', allow: ['GRANTED'] })()
    await call.ready
    const said = `${values.DECLARED} ${values.REFERRED} ${values.GRANTED} leaf-4f9d2b7a81c6 ${values.OTHER}`
    expect(secrets.redact(said)).toBe(`[secret DECLARED] [secret BY] [secret GRANTED] [secret DOCUMENT] ${values.OTHER}`)
    expect(events.filter(({ type }) => type === 'read')).toEqual([])
    call.end()
    await secrets.close()
  })

  it('it knows a value that changed since with a tool after five seconds', async () => {
    const clock = createFakeClock(Date.now())
    const { secrets } = open({ clock })
    const prepared = prepareTool(secrets, { tool: 'search', allow: ['DECLARED'] })
    await prepared().ready
    await write({ DECLARED: 'changed-4f9d2b7a81c6' })
    await clock.advanceAsync(5_000)
    await prepared().ready
    expect(secrets.redact('changed-4f9d2b7a81c6')).toBe('[secret DECLARED]')
    expect(secrets.redact(values.DECLARED)).toBe('[secret DECLARED]')
    await secrets.close()
  })

  it('it knows it with a tool that was called often before, too', async () => {
    const clock = createFakeClock(Date.now())
    const { secrets } = open({ clock })
    const prepared = prepareTool(secrets, { tool: 'search', allow: ['DECLARED'] })
    for (let call = 0; call < 3; call += 1) await prepared().ready
    await write({ DECLARED: 'changed-4f9d2b7a81c6' })
    await clock.advanceAsync(5_000)
    await prepared().ready
    expect(secrets.redact('changed-4f9d2b7a81c6')).toBe('[secret DECLARED]')
    await secrets.close()
  })

  it('no tool may run as long as what it could say is looked for, whichever call began that', async () => {
    const { secrets } = open()
    await secrets.getSecret('OTHER')
    const prepared = prepareTool(secrets, { tool: 'search', allow: ['GRANTED'] })
    const calls = [prepared(), prepared(), prepared()]
    expect(calls.map(({ mayRun }) => mayRun)).toEqual([false, false, false])
    for (const { ready } of calls) await ready
    expect(prepared().mayRun).toBe(true)
    await secrets.close()
  })

  it('no backend is asked', async () => {
    const remote = createScriptable({ name: 'remote' })
    remote.put('DECLARED', values.DECLARED)
    const { secrets } = open({ provider: remote.factory })
    await secrets.getSecret('DECLARED')
    const before = remote.calls.length
    await prepareTool(secrets, { tool: 'search', allow: ['GRANTED'] })().ready
    expect(remote.calls.length).toBe(before)
    await secrets.close()
  })

  it('what cannot be read fails nothing', async () => {
    await writeFile(join(directory, '.env'), 'a line that is none\n', { mode: 0o600 })
    const { secrets } = open()
    await expect(prepareTool(secrets, { tool: 'search', allow: ['DECLARED'] })().ready).resolves.toBeUndefined()
    await secrets.close()
    const { secrets: broken } = open({ provider: () => Promise.reject(new Error('canary')) })
    await expect(prepareTool(broken, { tool: 'search', allow: ['DECLARED'] })().ready).resolves.toBeUndefined()
    await broken.close()
  })
})
