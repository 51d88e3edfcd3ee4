/** What is known of a value that was read: its parts, its bytes, and under which names it is told of. */
import { describe, expect, it } from 'vitest'
import { createSecrets, type AuditEvent, type RootSecrets, type SecretProvider } from '../../src/index.js'
import { conceal, redactStream, redactText, redactValue } from '../../src/redaction/index.js'
import { KnownValues } from '../../src/redaction/known.js'
import { Redactor, type Reader } from '../../src/redaction/redactor.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { entitiesOf } from './encodings.js'

async function open(
  values: Readonly<Record<string, unknown>>,
  options: Partial<Parameters<typeof createSecrets<string>>[0]> = {},
): Promise<{ secrets: RootSecrets<string>; events: AuditEvent[] }> {
  const events: AuditEvent[] = []
  const get: SecretProvider['get'] = async ({ id }) => ({ value: values[id] as string })
  const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined }, audit: (event) => void events.push(event), ...options })
  for (const name of Object.keys(values)) await secrets.getSecret(name, { as: 'bytes' }).catch(() => secrets.getSecret(name, { as: 'json' }))
  return { secrets, events }
}

async function streamed(secrets: RootSecrets<string>, flushAt: 'line' | 'event', chunks: readonly (string | Uint8Array)[]): Promise<string> {
  const stream = redactStream(secrets, { flushAt })
  const text = new Response(stream.readable).text()
  const writer = stream.writable.getWriter()
  for (const chunk of chunks) await writer.write(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk)
  await writer.close()
  return await text
}

describe('a value of several lines', () => {
  const lines = ['first-line-of-it', '  second line of it', 'x', 'third-line-of-it']

  it.each(['\n', '\r\n'])('is found by its lines where a flush cuts through it: %j', async (end) => {
    const { secrets } = await open({ NOTES: lines.join(end) })
    const told = await streamed(
      secrets,
      'line',
      lines.map((line) => `${line}\n`),
    )
    expect(told).toBe('[secret NOTES]\n  [secret NOTES]\nx\n[secret NOTES]\n')
    expect(await streamed(secrets, 'event', [`data: ${lines[0]}\ndata: ${lines[3]}\n\n`, 'more'])).toBe('data: [secret NOTES]\ndata: [secret NOTES]\n\nmore')
    expect(secrets.redact(lines.join(end))).toBe('[secret NOTES]')
  })

  it('that is a document gives its leaves, and not the lines that it is laid out in', async () => {
    const { secrets } = await open({ ACCOUNT: JSON.stringify({ type: 'service_account', token: 'tok-9f8e7d6c5b4a' }, undefined, 2) })
    expect(secrets.redact('  "type": "another_account",')).toBe('  "type": "another_account",')
    expect(secrets.redact('it has tok-9f8e7d6c5b4a')).toBe('it has [secret ACCOUNT]')
  })

  it('that is a PEM is found by each line of its body, whichever line ends it has', async () => {
    const body = ['MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj', 'MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDu']
    const { secrets } = await open({ PEM: ['-----BEGIN PRIVATE KEY-----', ...body, '-----END PRIVATE KEY-----', ''].join('\r\n') })
    for (const line of [...body, body.join('')]) expect(secrets.redact(`a ${line} b`)).toBe('a [secret PEM] b')
    expect(secrets.redact('-----BEGIN PRIVATE KEY-----')).toBe('-----BEGIN PRIVATE KEY-----')
  })
})

describe('bytes that are no text', () => {
  const bytes = Uint8Array.from([0xff, 0x00, 0xfe, 0x80, 0x13, 0x9c, 0xd1, 0x7a, 0x42, 0xe0, 0x55, 0xb3])
  const hex = Buffer.from(bytes).toString('hex')

  it.each([
    ['hexadecimal', hex],
    ['hexadecimal in capitals', hex.toUpperCase()],
    ['base64', Buffer.from(bytes).toString('base64')],
    ['base64 without padding', Buffer.from(bytes).toString('base64').replace(/=+$/, '')],
    ['base64url', Buffer.from(bytes).toString('base64url')],
    ['base64 behind something else', Buffer.concat([Buffer.from('user:'), bytes]).toString('base64')],
  ])('are found in %s', async (_, text) => {
    const { secrets } = await open({ BINARY: bytes })
    expect(secrets.redact(`before ${text} after`)).toMatch(/^before .{0,8}\[secret BINARY\]=* after$/)
  })

  it('are found as they stand, in a buffer and in a stream', async () => {
    const { secrets } = await open({ BINARY: bytes })
    const clean = redactValue(secrets, { data: Buffer.concat([Buffer.from('<'), bytes, Buffer.from('>')]) }) as { data: Buffer }
    expect(clean.data.toString()).toBe('<[secret BINARY]>')
    expect(await streamed(secrets, 'line', [bytes.subarray(0, 5), bytes.subarray(5), 'rest'])).toBe('[secret BINARY]rest')
  })
})

describe('parts of a value', () => {
  it('that are short are replaced where they are all that stands there: the password of a URL too', async () => {
    const { secrets, events } = await open({ DATABASE: 'postgres://app:hunter2@db:5432/app' })
    expect(redactValue(secrets, { password: 'hunter2', text: 'hunter2 and more' })).toEqual({ password: '[secret DATABASE]', text: 'hunter2 and more' })
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning', warning: expect.stringContaining('8 characters') as string }))
  })

  it('that are numbers are known as they are written', async () => {
    const { secrets } = await open({ ACCOUNT: '{ "id": 12345678901234567890, "ratio": 1.500000000, "text": "quoted \\" 99999999" }' })
    expect(secrets.redact('id 12345678901234567890, ratio 1.500000000')).toBe('id [secret ACCOUNT], ratio [secret ACCOUNT]')
  })

  it('of what was concealed by hand are known as those of what was read', async () => {
    const { secrets } = await open({})
    conceal(secrets, '{"token":"tok-concealed-9"}', 'LOGIN')
    expect(secrets.redact('with tok-concealed-9')).toBe('with [secret LOGIN]')
  })
})

it('the audit hears which secret it was, also where the reader may not', async () => {
  const { secrets, events } = await open({ KEY: 'sk-live-4f9d2b7a81c6', OTHER: 'other-value-0815', PIN: '4711' })
  const scope = secrets.scope({ agent: 'one', allow: ['KEY'] })
  events.length = 0
  expect(redactText(scope, 'other-value-0815 sk-live-4f9d2b7a81c6')).toBe('[secret] [secret KEY]')
  expect(redactValue(scope, { pin: '4711' })).toEqual({ pin: '[secret]' })
  expect(events.flatMap((event) => (event.type === 'redaction' ? [event.name] : [])).toSorted()).toEqual(['KEY', 'OTHER', 'PIN'])
})

describe('how long a value is known', () => {
  it('is a day at least after it was last read, whatever else is read meanwhile, and it is forgotten after two', async () => {
    const clock = createFakeClock()
    const provider: SecretProvider = { name: 'own', get: async ({ id }) => ({ value: id === 'KEY' ? 'sk-live-4f9d2b7a81c6' : `value of ${id}` }), failure: () => undefined }
    const secrets = createSecrets<string>({ provider, clock, cache: false })
    await secrets.getSecret('KEY')
    for (let hour = 1; hour <= 23; hour += 1) {
      clock.advance(3_600_000)
      await secrets.getSecret(`OTHER ${hour}`)
      expect(secrets.redact('sk-live-4f9d2b7a81c6')).toBe('[secret KEY]')
    }
    for (let hour = 24; hour <= 50; hour += 1) {
      clock.advance(3_600_000)
      await secrets.getSecret(`OTHER ${hour}`)
    }
    expect(secrets.redact('sk-live-4f9d2b7a81c6')).toBe('sk-live-4f9d2b7a81c6')
  })

  it('is, of credentials of a provider, until as many others came', () => {
    const known = new KnownValues(4)
    const redactor = new Redactor(known)
    const found: string[] = []
    const reader: Reader = { mayName: () => true, found: (name) => void found.push(name) }
    known.conceal('said-by-hand-and-kept', 'hand')
    for (let number = 0; number < 50; number += 1) {
      known.addCredential(`credential-number-${number}-x`, 'token')
      expect(redactor.redact(`credential-number-${number}-x credential-number-${Math.max(0, number - 1)}-x`, reader)).toBe('[secret token] [secret token]')
    }
    expect(redactor.redact('credential-number-0-x said-by-hand-and-kept', reader)).toBe('credential-number-0-x [secret hand]')
    expect([...known.values()].length).toBeLessThanOrEqual(5)
  })

  it('does not hang on how much the cache holds', async () => {
    const values = Object.fromEntries(Array.from({ length: 600 }, (_, number) => [`K${number}`, `value-number-${number}-x`]))
    const { secrets } = await open(values, { cache: { maxEntries: 50 } })
    expect(secrets.redact('value-number-0-x value-number-599-x')).toBe('[secret K0] [secret K599]')
  })
})

it('every name of HTML for a character of ASCII or Latin-1 is read', async () => {
  const { secrets } = await open({ KEY: 'grün-Öl-ß-é-ñ-÷-key' })
  expect(secrets.redact(`a ${entitiesOf('grün-Öl-ß-é-ñ-÷-key')} b`)).toBe('a [secret KEY] b')
})
