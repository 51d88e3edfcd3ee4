/**
 * Values that dotenvx encrypted, read and written without it: it runs commands that it finds in the file. ECIES as eciesjs has it: base64 of an ephemeral key on
 * secp256k1 (65 bytes), a nonce (16), a tag (16) and the text under AES-256-GCM; its key is HKDF-SHA256 of the ephemeral key and the shared point.
 */
import { createCipheriv, createDecipheriv, createECDH, ECDH, hkdfSync, randomBytes } from 'node:crypto'

const curve = 'secp256k1'
const prefix = 'encrypted:'
const [pointLength, nonceLength, tagLength] = [65, 16, 16]
const field = 2n ** 256n - 2n ** 32n - 977n

export function isEncrypted(value: string): boolean {
  return value.startsWith(prefix)
}

/** The text; undefined where this is not its key. */
export function decrypt(value: string, privateKey: string): string | undefined {
  const bytes = Buffer.from(value.slice(prefix.length), 'base64')
  const own = pairOf(privateKey)
  if (own === undefined || !isWhole(value)) return undefined
  const ephemeral = bytes.subarray(0, pointLength)
  for (const shared of sharedPoints(own, ephemeral)) {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(ephemeral, shared), bytes.subarray(pointLength, pointLength + nonceLength), { authTagLength: tagLength })
    decipher.setAuthTag(bytes.subarray(pointLength + nonceLength, pointLength + nonceLength + tagLength))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(pointLength + nonceLength + tagLength)), decipher.final()]).toString('utf8')
    } catch {
      // The other point, or another key.
    }
  }
  return undefined
}

/** Could any key open it? */
export function isWhole(value: string): boolean {
  const text = value.slice(prefix.length)
  const bytes = Buffer.from(text, 'base64')
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && bytes.length >= pointLength + nonceLength + tagLength && bytes[0] === 4
}

/** @returns Undefined where the public key is none. */
export function encrypt(text: string, publicKey: string): string | undefined {
  const recipient = pointOf(publicKey)
  if (recipient === undefined) return undefined
  const ephemeral = createECDH(curve)
  ephemeral.generateKeys()
  const point = ephemeral.getPublicKey()
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv('aes-256-gcm', keyOf(point, sharedPoint(ephemeral, recipient)), nonce, { authTagLength: tagLength })
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return prefix + Buffer.concat([point, nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** In hex, compressed, as dotenvx writes it; undefined where the private key is none. */
export function publicKeyOf(privateKey: string): string | undefined {
  return pairOf(privateKey)?.getPublicKey('hex', 'compressed')
}

function pairOf(privateKey: string): ECDH | undefined {
  if (!/^(?:0x)?[0-9a-f]{64}$/i.test(privateKey)) return undefined
  try {
    const pair = createECDH(curve)
    pair.setPrivateKey(privateKey.replace(/^0x/i, ''), 'hex')
    return pair
  } catch {
    // Zero, or beyond the order of the curve.
    return undefined
  }
}

/** Uncompressed, of a key in hex. */
function pointOf(publicKey: string): Buffer | undefined {
  if (!/^(?:0[23][0-9a-f]{64}|04[0-9a-f]{128})$/i.test(publicKey)) return undefined
  try {
    return ECDH.convertKey(publicKey, curve, 'hex', undefined, 'uncompressed') as Buffer
  } catch {
    // No point of the curve.
    return undefined
  }
}

function keyOf(ephemeral: Uint8Array, shared: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', Buffer.concat([ephemeral, shared]), '', '', 32))
}

/** Node tells the x of the shared point alone, and two points have it. */
function sharedPoints(own: ECDH, other: Uint8Array): readonly Buffer[] {
  try {
    const x = own.computeSecret(other)
    return [2, 3].map((sign) => ECDH.convertKey(Buffer.concat([Buffer.of(sign), x]), curve, undefined, undefined, 'uncompressed') as Buffer)
  } catch {
    // No point of the curve.
    return []
  }
}

/** Which of the two it is shows at the next multiple: k·P + P has the x that k + 1 gives. */
function sharedPoint(ephemeral: ECDH, recipient: Buffer): Buffer {
  const [even, odd] = sharedPoints(ephemeral, recipient)
  const next = createECDH(curve)
  next.setPrivateKey((BigInt(`0x${ephemeral.getPrivateKey('hex')}`) + 1n).toString(16).padStart(64, '0'), 'hex')
  const expected = BigInt(`0x${next.computeSecret(recipient).toString('hex')}`)
  const found = [even, odd].find((point) => point !== undefined && xOfSum(point, recipient) === expected)
  if (found === undefined) throw new Error('the shared point has neither sign')
  return found
}

function xOfSum(left: Buffer, right: Buffer): bigint {
  const [leftX, leftY] = coordinates(left)
  const [rightX, rightY] = coordinates(right)
  const slope = modulo((rightY - leftY) * inverse(modulo(rightX - leftX)))
  return modulo(slope * slope - leftX - rightX)
}

function coordinates(point: Buffer): readonly [bigint, bigint] {
  return [BigInt(`0x${point.toString('hex', 1, 33)}`), BigInt(`0x${point.toString('hex', 33, 65)}`)]
}

function modulo(value: bigint): bigint {
  return ((value % field) + field) % field
}

function inverse(value: bigint): bigint {
  let [result, base] = [1n, value]
  for (let exponent = field - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = modulo(result * base)
    base = modulo(base * base)
  }
  return result
}
