/** What a client of the proxy has in place of a key. */
import * as crypto from 'node:crypto'

const { createHash, randomBytes, timingSafeEqual } = crypto

/** Characters of 32 bytes in base64url. */
const length = 43

// In one call, where there is one: not every runtime has it.
const digestOf = (text: string): Buffer => (typeof crypto.hash === 'function' ? crypto.hash('sha256', text, 'buffer') : createHash('sha256').update(text).digest())

export class Token {
  readonly #text = randomBytes(32).toString('base64url')
  readonly #digest = digestOf(this.#text)

  get text(): string {
    return this.#text
  }

  /** Is one of these the token? All that are as long are looked at, and each takes as long, however much of it is right. */
  isAmong(candidates: readonly string[]): boolean {
    let isFound = false
    for (const candidate of candidates)
      // How long it is is no secret.
      if (candidate.length === length) isFound = timingSafeEqual(digestOf(candidate), this.#digest) || isFound
    return isFound
  }

  /** Does a text hold it, as it is, percent-encoded or in base64? For texts of whoever has it. */
  isIn(text: string): boolean {
    // No way to write it is shorter.
    if (text.length < length) return false
    if (text.includes(this.#text)) return true
    const plain = text.includes('%') ? text.replaceAll(/%([\da-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))) : text
    if (plain.includes(this.#text)) return true
    // Base64 has three forms of a text, by where it begins.
    return [...plain.matchAll(/[\w+/-]{43,}/g)].some(([run]) => [0, 1, 2, 3].some((at) => Buffer.from(run.slice(at), 'base64').includes(this.#text)))
  }
}
