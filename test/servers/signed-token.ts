/** Tokens as a cluster or an identity provider signs them: https://www.rfc-editor.org/rfc/rfc7519. */
import { createSign, generateKeyPairSync } from 'node:crypto'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
/** For ten minutes, unless the claims say otherwise. */
export function sign(claims: Readonly<Record<string, unknown>>): string {
  const body = `${encode({ alg: 'RS256', typ: 'JWT' })}.${encode({ iss: 'keyward-tests', aud: 'vault', iat: Math.floor(Date.now() / 1_000), exp: Math.floor(Date.now() / 1_000) + 600, ...claims })}`
  return `${body}.${createSign('RSA-SHA256').update(body).sign(privateKey, 'base64url')}`
}

export const verificationKey = publicKey.export({ type: 'spki', format: 'pem' }) as string
