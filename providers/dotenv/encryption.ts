/**
 * Values that dotenvx encrypted, read and written without it: it runs commands that it finds in the file. ECIES as eciesjs has it: base64 of an ephemeral key on
 * secp256k1 (65 bytes), a nonce (16), a tag (16) and the text under AES-256-GCM; its key is HKDF-SHA256 of the ephemeral key and the shared point.
 */
import { createCipheriv, createDecipheriv, createECDH, ECDH, getCurves, hkdfSync, randomBytes } from 'node:crypto'
import { generator, isOnCurve, multiply, order, pointAt, type Point } from './curve.js'

const curve = 'secp256k1'
const prefix = 'encrypted:'
const [pointLength, nonceLength, tagLength] = [65, 16, 16]

export function isEncrypted(value: string): boolean {
  return value.startsWith(prefix)
}

/** Could any key open it? */
export function isWhole(value: string): boolean {
  return partsOf(value) !== undefined
}

/** The text; undefined where this is not its key. */
export function decrypt(value: string, privateKey: string): string | undefined {
  const parts = partsOf(value)
  const own = scalarOf(privateKey)
  if (parts === undefined || own === undefined) return undefined
  for (const shared of sharedPoints(own, parts.ephemeral)) {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(parts.ephemeral, shared), parts.nonce, { authTagLength: tagLength })
    decipher.setAuthTag(parts.tag)
    try {
      return Buffer.concat([decipher.update(parts.sealed), decipher.final()]).toString('utf8')
    } catch {
      // The other point, or another key.
    }
  }
  return undefined
}

/** @returns Undefined where the public key is none. */
export function encrypt(text: string, publicKey: string): string | undefined {
  const recipient = pointOf(publicKey)
  if (recipient === undefined) return undefined
  const scalar = (BigInt(`0x${randomBytes(48).toString('hex')}`) % (order - 1n)) + 1n
  const ephemeral = bytesOf(multiply(scalar, generator))
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv('aes-256-gcm', keyOf(ephemeral, bytesOf(multiply(scalar, recipient))), nonce, { authTagLength: tagLength })
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return prefix + Buffer.concat([ephemeral, nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** In hex, compressed, as dotenvx writes it; undefined where the private key is none. */
export function publicKeyOf(privateKey: string): string | undefined {
  const scalar = scalarOf(privateKey)
  if (scalar === undefined) return undefined
  const [x, y] = multiply(scalar, generator)
  return `0${2n + (y & 1n)}${hexOf(x)}`
}

function partsOf(value: string): { ephemeral: Buffer; nonce: Buffer; tag: Buffer; sealed: Buffer } | undefined {
  const text = value.slice(prefix.length)
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  const [nonceEnd, tagEnd] = [pointLength + nonceLength, pointLength + nonceLength + tagLength]
  const ephemeral = bytes.subarray(0, pointLength)
  // A point that is none is how a key is asked out of who multiplies with it.
  if (bytes.length < tagEnd || ephemeral[0] !== 4 || !isOnCurve(coordinatesOf(ephemeral))) return undefined
  return { ephemeral, nonce: bytes.subarray(pointLength, nonceEnd), tag: bytes.subarray(nonceEnd, tagEnd), sealed: bytes.subarray(tagEnd) }
}

function scalarOf(privateKey: string): bigint | undefined {
  const [, hex] = /^(?:0x)?([0-9a-f]{64})$/i.exec(privateKey) ?? []
  const scalar = hex === undefined ? 0n : BigInt(`0x${hex}`)
  return scalar > 0n && scalar < order ? scalar : undefined
}

/** Of a public key in hex. */
function pointOf(publicKey: string): Point | undefined {
  if (/^0[23][0-9a-f]{64}$/i.test(publicKey)) return pointAt(BigInt(`0x${publicKey.slice(2)}`), publicKey[1] === '3')
  if (!/^04[0-9a-f]{128}$/i.test(publicKey)) return undefined
  const point = coordinatesOf(Buffer.from(publicKey, 'hex'))
  return isOnCurve(point) ? point : undefined
}

function keyOf(ephemeral: Uint8Array, shared: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.concat([ephemeral, shared]), '', '', 32))
}

/** node:crypto tells the x of the shared point alone, and two points have it: the tag says which one was meant. */
function sharedPoints(own: bigint, other: Buffer): readonly Buffer[] {
  if (!getCurves().includes(curve)) return [bytesOf(multiply(own, coordinatesOf(other)))]
  const pair = createECDH(curve)
  pair.setPrivateKey(hexOf(own), 'hex')
  const x = pair.computeSecret(other)
  return [2, 3].map((sign) => ECDH.convertKey(Buffer.concat([Buffer.of(sign), x]), curve, undefined, undefined, 'uncompressed') as Buffer)
}

function coordinatesOf(point: Buffer): Point {
  return [BigInt(`0x${point.toString('hex', 1, 33)}`), BigInt(`0x${point.toString('hex', 33, 65)}`)]
}

function bytesOf([x, y]: Point): Buffer {
  return Buffer.from(`04${hexOf(x)}${hexOf(y)}`, 'hex')
}

function hexOf(coordinate: bigint): string {
  return coordinate.toString(16).padStart(64, '0')
}
