/** JSON Web Tokens with RS256: https://www.rfc-editor.org/rfc/rfc7519. */
import { createPublicKey, createSign, createVerify, X509Certificate, type KeyLike } from 'node:crypto'

export type Claims = Readonly<Record<string, unknown>>

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part: string | undefined): Claims => JSON.parse(Buffer.from(part ?? '', 'base64url').toString()) as Claims

export function signToken(claims: Claims, key: KeyLike, header: Claims = {}): string {
  const text = `${encode({ alg: 'RS256', typ: 'JWT', ...header })}.${encode(claims)}`
  return `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`
}

/** The claims of a token that this key has signed, is not over, and has begun; undefined of any other. */
export function verifyToken(token: string, key: KeyLike): Claims | undefined {
  try {
    const [header, body, signature = ''] = token.split('.')
    // PS256 is what MSAL signs with where it has a certificate: https://www.rfc-editor.org/rfc/rfc7518#section-3.5.
    const { alg } = decode(header)
    const verify = createVerify('RSA-SHA256').update(`${header}.${body}`)
    const padding = alg === 'PS256' ? { padding: 6, saltLength: 32 } : {}
    if ((alg !== 'RS256' && alg !== 'PS256') || !verify.verify({ key, ...padding } as never, signature, 'base64url')) return undefined
    const claims = decode(body)
    const now = Date.now() / 1_000
    // Clocks may be five minutes apart.
    return Number(claims['exp']) + 300 > now && Number(claims['nbf'] ?? 0) - 300 < now ? claims : undefined
  } catch {
    return undefined
  }
}

export const keyOf = (certificate: string): KeyLike => createPublicKey(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'pem' }))
