import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isLoopbackAddress, isPublic } from '../../src/egress/address.js'
import { errorOf } from '../access/backend.js'
import { open } from './serve.js'

/** A reading of the registries that shares no code with the one that is tried: first and last address, as numbers. */
const special4: readonly (readonly [string, string])[] = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.0.0', '192.0.0.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.31.196.0', '192.31.196.255'],
  ['192.52.193.0', '192.52.193.255'],
  ['192.88.99.0', '192.88.99.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['192.175.48.0', '192.175.48.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '255.255.255.255'],
]
const special6: readonly (readonly [bigint, bigint])[] = [
  [0n, (0x2000n << 112n) - 1n],
  [0x2001n << 112n, (0x20010200n << 96n) - 1n],
  [0x20010db8n << 96n, (0x20010db9n << 96n) - 1n],
  [0x2002n << 112n, (0x2003n << 112n) - 1n],
  [0x2620_004f_8000n << 80n, (0x2620_004f_8001n << 80n) - 1n],
  [0x3fff0n << 108n, (0x3fff1n << 108n) - 1n],
  [0x4000n << 112n, (1n << 128n) - 1n],
]
const number4 = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
const text4 = (value: number): string => [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
const text6 = (value: bigint): string => Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16)).join(':')
const isSpecial4 = (value: number): boolean => special4.some(([first, last]) => value >= number4(first) && value <= number4(last))
const isSpecial6 = (value: bigint): boolean => special6.some(([first, last]) => value >= first && value <= last)

describe('addresses of the public internet', () => {
  it('are those of IPv4 that no registry has, at each border and anywhere', () => {
    for (const value of special4.flatMap(([first, last]) => [number4(first) - 1, number4(first), number4(last), number4(last) + 1]))
      if (value >= 0 && value < 2 ** 32) expect([text4(value), isPublic(text4(value))]).toEqual([text4(value), !isSpecial4(value)])
    fc.assert(fc.property(fc.nat(2 ** 32 - 1), (value) => isPublic(text4(value)) === !isSpecial4(value)))
  })

  it('are those of IPv6 that are routed, and stand for no address of IPv4', () => {
    const borders = special6.flatMap(([first, last]) => [first - 1n, first, last, last + 1n])
    for (const value of borders) if (value >= 0n && value < 1n << 128n) expect([text6(value), isPublic(text6(value))]).toEqual([text6(value), !isSpecial6(value)])
    fc.assert(fc.property(fc.bigInt(0n, (1n << 128n) - 1n), (value) => isPublic(text6(value)) === !isSpecial6(value)))
    fc.assert(fc.property(fc.bigInt(0x2000n << 112n, (0x2700n << 112n) - 1n), (value) => isPublic(text6(value)) === !isSpecial6(value)))
  })

  it.each([
    ['8.8.8.8', true],
    ['2606:4700::6810:84e5', true],
    ['2a00:1450:4001:81b::200e', true],
    ['169.254.169.254', false],
    ['::', false],
    ['::1', false],
    ['::ffff:8.8.8.8', false],
    ['::ffff:7f00:1', false],
    ['::ffff:0:8.8.8.8', false],
    ['64:ff9b::8.8.8.8', false],
    ['64:ff9b:1::1', false],
    ['100::1', false],
    ['2001::1', false],
    ['2002:7f00:1::', false],
    ['fc00::1', false],
    ['fd00:ec2::254', false],
    ['fe80::1', false],
    ['fe80::1%eth0', false],
    ['2606:4700::1%eth0', false],
    ['fec0::1', false],
    ['ff02::1', false],
    ['5f00::1', false],
    ['example.com', false],
    ['', false],
    ['0x7f.1', false],
  ])('%s: %s', (address, expected) => {
    expect(isPublic(address)).toBe(expected)
  })

  it.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['128.0.0.1', false],
    ['::2', false],
    ['::1%lo', false],
    ['localhost', false],
  ])('of this machine: %s: %s', (address, expected) => {
    expect(isLoopbackAddress(address)).toBe(expected)
  })
})

describe('a host that is no place for a secret', () => {
  // Each is in the policy, and refused all the same; by its address or by what its name leads to.
  it.each([
    'https://127.0.0.1:8443',
    'https://[::1]:8443',
    'https://localhost:8443',
    'https://10.0.0.1',
    'https://169.254.169.254',
    'https://[fd00:ec2::254]',
    'https://[::ffff:a9fe:a9fe]',
    'https://[64:ff9b::808:808]',
    'https://0.0.0.0',
    'https://100.100.100.200',
  ])('%s', async (origin) => {
    const { fetch, backend } = open(origin, { allowLoopbackHttp: false })
    const error = await errorOf(fetch(`${origin}/`))
    expect([error.code, error.reason, error.deniedBy, error.secret]).toEqual(['denied', 'private-address', 'scope', 'KEY'])
    expect(backend.requests).toEqual([])
  })

  it.each(['https://10.0.0.1', 'https://[fe80::1]'])('%s, also with `allowLoopbackHttp`', async (origin) => {
    const { fetch, backend } = open(origin)
    expect(await errorOf(fetch(`${origin}/`))).toMatchObject({ code: 'denied', reason: 'private-address' })
    expect(backend.requests).toEqual([])
  })

  it('http is for this machine alone, and where it is allowed', async () => {
    const { fetch, backend } = open('http://127.0.0.1:9', { allowLoopbackHttp: false })
    expect(await errorOf(fetch('http://127.0.0.1:9/'))).toMatchObject({ code: 'denied', reason: 'origin', message: expect.stringContaining('allowLoopbackHttp') })
    expect(backend.requests).toEqual([])
  })

  it('a name that cannot be found is unavailable, with the code of the system', async () => {
    const { fetch, backend } = open('https://no-such-host.invalid')
    const error = await errorOf(fetch('https://no-such-host.invalid/path?query=private'))
    expect(error.code).toBe('unavailable')
    expect(error.reason).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/)
    expect(error.message).toContain('https://no-such-host.invalid failed')
    expect(error.message).not.toContain('private')
    expect(backend.requests).toEqual([])
  })
})
