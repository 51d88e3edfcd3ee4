/** A value that can be found wherever it leaks to. */
export interface Canary {
  readonly value: string
  /** How the text holds the value, or part of it: undefined where it does not. */
  readonly foundIn: (text: string) => string | undefined
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const coreLength = 32
/** So many letters in a row are no chance: 62 to the power of 8 to one. */
const telling = 8

/** @param around The value as a whole, given the letters that are looked for. Default: with characters that encodings change. */
export function createCanary(around: (core: string) => string = (core) => `${core}/+&=% é`): Canary {
  const core = randomLetters(coreLength)
  const base64 = base64Forms(core)
  const hex = hexOf(core)
  const percent = hex.replace(/../g, '%$&')
  return {
    value: around(core),
    foundIn(text) {
      // Letters alone stay as they are in JSON, in URLs and in escapes: to look for them raw covers those.
      for (let start = 0; start + telling <= coreLength; start++) if (text.includes(core.slice(start, start + telling))) return 'as it is'
      if (base64.some((form) => text.includes(form))) return 'in base64'
      const lower = text.toLowerCase()
      if (lower.includes(hex)) return 'in hex'
      if (lower.includes(percent)) return 'percent-encoded'
      return undefined
    },
  }
}

export function randomLetters(length: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => letters[byte % letters.length]).join('')
}

function hexOf(text: string): string {
  return Array.from(text, (character) => character.charCodeAt(0).toString(16).padStart(2, '0')).join('')
}

/** At each of the three places within a group of three bytes, without the characters that its neighbours have a part in. */
function base64Forms(text: string): readonly string[] {
  return [0, 1, 2].map((offset) => {
    const whole = Math.floor((offset + text.length) / 3) * 4
    return btoa('\0'.repeat(offset) + text).slice(offset === 0 ? 0 : 4, whole)
  })
}
