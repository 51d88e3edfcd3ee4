/** Encryption by a real server, with a key that never leaves it. */
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { transit, type Transit, type TransitOptions } from '../../../providers/vault/index.js'
import { FaultProxy, faults, status } from '../../servers/fault-proxy.js'
import { OpenBao } from '../../servers/openbao.js'
import { closeAfterEach } from '../opened.js'

const plaintext = 'canary-plaintext-81c6 grün'
let server: OpenBao
let token: string
beforeAll(async () => {
  server = await OpenBao.start()
  await server.demand('POST', 'sys/mounts/transit', { type: 'transit' })
  await server.demand('POST', 'transit/keys/agents', {})
  await server.putPolicy('crypto', 'path "transit/+/agents" { capabilities = ["update"] }')
  token = await server.createToken(['crypto'])
}, 60_000)
afterAll(() => server.stop())

const kept = closeAfterEach()
function open(options: Partial<TransitOptions> = {}): Transit {
  return kept(transit({ address: server.address, token, key: 'agents', ...options }))
}
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('one at a time', () => {
  it('encrypts and decrypts text and bytes', async () => {
    const one = open()
    const ciphertext = await one.encrypt(plaintext)
    expect(ciphertext).toMatch(/^vault:v\d+:/)
    expect(text(await one.decrypt(ciphertext))).toBe(plaintext)
    const bytes = Uint8Array.from([0, 255, 128, 10])
    expect(await one.decrypt(await one.encrypt(bytes))).toEqual(bytes)
    expect(await one.decrypt(await one.encrypt(''))).toEqual(new Uint8Array())
  })

  it('rewraps under the newest version of the key', async () => {
    const one = open()
    const before = await one.encrypt(plaintext)
    await server.demand('POST', 'transit/keys/agents/rotate', {})
    const after = await one.rewrap(before)
    expect(Number(after.split(':')[1]!.slice(1))).toBe(Number(before.split(':')[1]!.slice(1)) + 1)
    expect(text(await one.decrypt(after))).toBe(plaintext)
  })

  it('decrypts for no other agent, nor for none', async () => {
    const [researcher, writer, nobody] = [open({ agent: 'researcher' }), open({ agent: 'writer' }), open()]
    const ciphertext = await researcher.encrypt(plaintext)
    expect(text(await researcher.decrypt(ciphertext))).toBe(plaintext)
    for (const other of [writer, nobody]) await expect(other.decrypt(ciphertext)).rejects.toMatchObject({ code: 'invalid-value', status: 400 })
    await server.demand('POST', 'transit/keys/agents/rotate', {})
    const rewrapped = await researcher.rewrap(ciphertext)
    expect(rewrapped.split(':')[1]).not.toBe(ciphertext.split(':')[1])
    expect(text(await researcher.decrypt(rewrapped))).toBe(plaintext)
    await expect(writer.rewrap(ciphertext)).rejects.toMatchObject({ code: 'invalid-value' })
  })
})

it('tells of its credentials, and ends the token of its login', async () => {
  await server.demand('POST', 'sys/auth/userpass', { type: 'userpass' })
  await server.demand('POST', 'auth/userpass/users/boxes', { password: 'canary-password', token_policies: ['crypto'], token_no_default_policy: false })
  const told: string[] = []
  const auth = { method: 'userpass', username: 'boxes', password: 'canary-password' } as const
  const one = transit({ address: server.address, key: 'agents', auth, conceal: (value, label) => void told.push(`${label} ${value}`) })
  await one.encrypt(plaintext)
  const given = told.find((entry) => entry.startsWith('vault token '))!.slice('vault token '.length)
  expect(told).toContain('vault credential canary-password')
  expect((await server.request('GET', 'auth/token/lookup-self', undefined, given)).status).toBe(200)
  await one.close()
  expect((await server.request('GET', 'auth/token/lookup-self', undefined, given)).status).toBe(403)
})

it('tells of a wrapped secret id that was not what it should be', async () => {
  const { wrap_info: info } = await server.demand('POST', 'sys/wrapping/wrap', { secret_id: 'swapped' }, server.rootToken, { 'x-vault-wrap-ttl': '60s' })
  const warnings: string[] = []
  const auth = { method: 'approle', roleId: 'a-role', wrappedSecretId: (info as { token: string }).token } as const
  const one = kept(transit({ address: server.address, key: 'agents', auth, warn: (warning) => void warnings.push(warning) }))
  await expect(one.encrypt(plaintext)).rejects.toMatchObject({ code: 'unauthenticated', reason: 'wrapping-token' })
  expect(warnings).toEqual([expect.stringContaining('wrapping token')])
})

describe('many at once', () => {
  it('has an outcome for each, in one call', async () => {
    const one = open({ agent: 'researcher' })
    const before = (await server.audit()).length
    const encrypted = await one.encryptMany(['a', 'b', Uint8Array.of(1)])
    expect((await server.audit()).slice(before).filter(({ type, request }) => type === 'request' && request.path === 'transit/encrypt/agents')).toHaveLength(1)
    const ciphertexts = encrypted.map((outcome) => (outcome.ok ? outcome.result : expect.fail('it was not encrypted')))
    const decrypted = await one.decryptMany([ciphertexts[0]!, 'vault:v1:nonsense', ciphertexts[2]!])
    expect(decrypted).toEqual([
      { ok: true, result: new TextEncoder().encode('a') },
      { ok: false, error: expect.objectContaining({ code: 'invalid-value' }) as Error },
      { ok: true, result: Uint8Array.of(1) },
    ])
    expect((await one.rewrapMany(ciphertexts)).every(({ ok }) => ok)).toBe(true)
    expect(await one.encryptMany([])).toEqual([])
  })
})

describe('failures', () => {
  it('are told as what they are, with nothing of what was sent', async () => {
    const proxy = await FaultProxy.start(server.address)
    try {
      const one = open({ address: proxy.address, timeout: '500ms' })
      const ciphertext = await one.encrypt(plaintext)
      for (const [fault, code] of [
        [faults.reset, 'unavailable'],
        [faults.hang, 'timeout'],
        [faults.html, 'unavailable'],
        [status(403), 'denied'],
        [status(429, { 'retry-after': '3' }), 'throttled'],
      ] as const) {
        proxy.spoil(fault, ({ url }) => url?.startsWith('/v1/transit/') === true)
        for (const call of [() => one.encrypt(plaintext), () => one.decrypt(ciphertext), () => one.encryptMany([plaintext])]) {
          const error: unknown = await call().then(
            () => expect.fail('it did not fail'),
            (reason: unknown) => reason,
          )
          expect(error).toMatchObject({ code })
          for (const secret of [plaintext, Buffer.from(plaintext).toString('base64'), token, ciphertext])
            expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret)
        }
      }
    } finally {
      await proxy.stop()
    }
  })

  it('of options name the option', () => {
    expect(() => open({ key: '' })).toThrow('transit.key is empty')
    expect(() => open({ agents: { tokenRole: 'x' } } as never)).toThrow('transit.agents is not an option')
    expect(() => open({ ky: 'x' } as object)).toThrow('did you mean "key"')
  })

  it('of text that is no Unicode are told before it is changed', async () => {
    await expect(open().encrypt('half \uD800')).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('plaintext') as string })
    expect(() => open().encryptMany(['half \uD800'])).toThrow('plaintext')
  })

  it('of a mount or key that is not there name both options', async () => {
    for (const options of [{ mount: 'nowhere' }, { key: 'of-nobody' }])
      await expect(open(options).encrypt('x')).rejects.toMatchObject({ code: 'denied', message: expect.stringMatching(/transit\.key.*transit\.mount/) as string })
  })

  it('of time are none, however long it is', async () => {
    expect(text(await open({ timeout: '400d' }).decrypt(await open({ timeout: '30d' }).encrypt('x')))).toBe('x')
  })

  it('an abort is the reason of the signal', async () => {
    const reason = new Error('enough')
    await expect(open().encrypt('x', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})
