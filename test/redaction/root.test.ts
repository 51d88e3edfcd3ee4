import { redactValue } from '../../src/redaction/index.js'
import { describe, expect, it } from 'vitest'
import { createSecrets, type AuditEvent, type SecretProvider } from '../../src/index.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'

const key = 'sk-live-4f9d2b7a81c6'
const values: Readonly<Record<string, unknown>> = {
  KEY: key,
  SHORT: 'abc1234',
  DATABASE: 'postgres://app:p%40ss-w0rd!@db:5432/app',
  DOCUMENT: { user: 'service-account', token: 'tok-9f8e7d6c5b4a', pin: 123456789012, nested: { deep: ['leaf-of-a-list'] } },
  PEM: `-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\nMzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDu\n-----END PRIVATE KEY-----\n`,
}

function setUp(options: Partial<Parameters<typeof createSecrets<string>>[0]> = {}) {
  const events: AuditEvent[] = []
  const get: SecretProvider['get'] = async ({ id }) => ({ value: values[id] as string })
  const secrets = createSecrets<string>({
    provider: async ({ conceal }) => {
      conceal('token-of-the-provider', 'own token')
      return { name: 'own', get, put: async () => ({}), failure: () => undefined }
    },
    audit: (event) => void events.push(event),
    environment: 'production',
    ...options,
  })
  return { secrets, events, found: () => events.filter(({ type }) => type === 'redaction') }
}

async function streamed(stream: TransformStream<Uint8Array, Uint8Array>, chunks: readonly string[]): Promise<string> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
      controller.close()
    },
  })
  return await new Response(source.pipeThrough(stream)).text()
}

describe('redact of a root', () => {
  it('knows what was read, written and concealed, in each form', async () => {
    const { secrets } = setUp()
    expect(secrets.redact(key)).toBe(key)
    await secrets.getSecret('KEY')
    await secrets.putSecret('NEW', 'value-that-was-put')
    const base64 = btoa(`user:${key}`)
    expect(secrets.redact(`a ${key}, ${encodeURIComponent(key)}, ${base64}`)).toMatch(/^a \[secret KEY\], \[secret KEY\], .{0,8}\[secret KEY\]=*$/)
    expect(secrets.redact('value-that-was-put with token-of-the-provider')).toBe('[secret NEW] with [secret own token]')
  })

  it('knows the parts that are secrets by themselves', async () => {
    const { secrets } = setUp()
    await secrets.getSecrets(['DATABASE', 'PEM'])
    await secrets.getSecret('DOCUMENT', { as: 'json' })
    for (const part of ['p%40ss-w0rd!', 'p@ss-w0rd!']) expect(secrets.redact(`password ${part}`)).toBe('password [secret DATABASE]')
    for (const leaf of ['service-account', 'tok-9f8e7d6c5b4a', '123456789012', 'leaf-of-a-list']) expect(secrets.redact(`(${leaf})`)).toBe('([secret DOCUMENT])')
    const [, first = '', second = ''] = (values['PEM'] as string).split('\n')
    for (const part of [first, second, first + second, `${first}\r\n${second}`, `${first}\\n${second}`]) expect(secrets.redact(`<${part}>`)).toBe('<[secret PEM]>')
    expect(secrets.redact('-----BEGIN PRIVATE KEY-----')).toBe('-----BEGIN PRIVATE KEY-----')
  })

  it('leaves what is shorter than eight characters, and texts without a secret as they are', async () => {
    const { secrets, found } = setUp()
    await secrets.getSecret('SHORT')
    const text = 'abc1234 is everyday text \ud800'
    expect(secrets.redact(text)).toBe(text)
    expect(found()).toEqual([])
  })

  it('tells the audit how often it found which', async () => {
    const clock = createFakeClock()
    const { secrets, found } = setUp({ clock })
    await secrets.getSecret('KEY')
    secrets.redact(`${key} ${key}`)
    expect(found()).toEqual([{ type: 'redaction', name: 'KEY', count: 2, time: clock.now(), environment: 'production' }])
  })

  it('knows a rotated value for a day and more, and not for ever', async () => {
    const clock = createFakeClock()
    let value = 'value-number-one'
    const provider: SecretProvider = { name: 'own', get: async () => ({ value }), failure: () => undefined }
    const secrets = createSecrets<string>({ provider, clock })
    await secrets.getSecret('KEY')
    value = 'value-number-two'
    await clock.advanceAsync(3_600_000)
    await secrets.getSecret('KEY')
    await clock.advanceAsync(23 * 3_600_000)
    await secrets.getSecret('KEY')
    expect(secrets.redact('value-number-one value-number-two')).toBe('[secret KEY] [secret KEY]')
    for (let day = 0; day < 3; day++) {
      await clock.advanceAsync(25 * 3_600_000)
      await secrets.getSecret('KEY')
    }
    expect(secrets.redact('value-number-one value-number-two')).toBe('value-number-one [secret KEY]')
  })

  it('takes in values as they come, however many are known', async () => {
    const many = Array.from({ length: 300 }, (_, index) => `value-number-${index}-x`)
    const provider: SecretProvider = { name: 'own', get: async ({ id }) => ({ value: many[Number(id)]! }), failure: () => undefined }
    const secrets = createSecrets<string>({ provider })
    for (const [index, value] of many.entries()) {
      expect(secrets.redact(value)).toBe(value)
      await secrets.getSecret(String(index))
      expect(secrets.redact(value)).toBe(`[secret ${index}]`)
    }
    expect(secrets.redact(many.join(' '))).toBe(many.map((_, index) => `[secret ${index}]`).join(' '))
  })

  it('throws after close(), instead of letting everything pass', async () => {
    const { secrets } = setUp()
    await secrets.getSecret('KEY')
    const stream = secrets.redactStream()
    await secrets.close()
    for (const text of [key, 'x', '']) expect(() => secrets.redact(text)).toThrow(/^keyward: .*redact before close\(\)/)
    for (const value of [key, 'x', { key }]) expect(() => redactValue(secrets, value)).toThrow(/redact before close\(\)/)
    await expect(streamed(stream, [key])).rejects.toMatchObject({ code: 'closed' })
  })

  it('refuses what is no text', async () => {
    const { secrets } = setUp()
    await secrets.getSecret('KEY')
    expect(() => secrets.redact({ key } as never)).toThrow('redactValue() of keyward/redaction')
  })
})

describe('redactStream of a root', () => {
  it('finds what is cut, and what is read while it runs', async () => {
    const { secrets, found } = setUp()
    const early = secrets.redactStream()
    await secrets.getSecret('KEY')
    expect(await streamed(early, [...`before ${key} after`])).toBe('before [secret KEY] after')
    expect(await streamed(secrets.redactStream(), ['be', `fore ${key.slice(0, 5)}`, `${key.slice(5)} after ${key}`])).toBe('before [secret KEY] after [secret KEY]')
    expect(found().length).toBeGreaterThan(0)
  })

  it('refuses chunks that are no bytes', async () => {
    const { secrets } = setUp()
    await secrets.getSecret('KEY')
    const stream = new ReadableStream({ start: (controller) => controller.enqueue('text') }).pipeThrough(secrets.redactStream() as never)
    await expect(new Response(stream as ReadableStream<Uint8Array>).text()).rejects.toThrow()
  })
})
