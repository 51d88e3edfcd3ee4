import { invalidConfig } from '../errors/secret-error.js'

const scalar = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy
const blank = /[ \t\r\n]*/y

/**
 * JSON.parse with an error that says where.
 * @param file How the error names it.
 */
export function parseJson(text: string, file: string): unknown {
  const json = text.replace(/^\ufeff/, '')
  try {
    return JSON.parse(json) as unknown
  } catch {
    // The engine's message quotes the text, which may hold what belongs into no log.
    const before = json.slice(0, offsetOfError(json)).split('\n')
    const column = (before.at(-1) ?? '').length + 1
    throw invalidConfig(`${file}:${before.length}:${column}`, 'is not valid JSON', 'JSON without comments and trailing commas, names in double quotes')
  }
}

/** Where a text stops being JSON. */
function offsetOfError(text: string): number {
  const open: string[] = []
  let state: 'value' | 'first value' | 'name' | 'first name' | 'after' = 'value'
  let at = 0
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    if (!pattern.test(text)) return false
    at = pattern.lastIndex
    return true
  }
  for (;;) {
    take(blank)
    const next = text[at]
    const closing = open.at(-1)
    if (next === closing && next !== undefined && (state === 'after' || state === 'first value' || state === 'first name')) {
      open.pop()
      state = 'after'
      at++
    } else if (state === 'after') {
      if (next !== ',' || closing === undefined) return at
      state = closing === '}' ? 'name' : 'value'
      at++
    } else if (state === 'name' || state === 'first name') {
      if (next !== '"' || !take(scalar)) return at
      take(blank)
      if (text[at] !== ':') return at
      state = 'value'
      at++
    } else if (next === '{' || next === '[') {
      open.push(next === '{' ? '}' : ']')
      state = next === '{' ? 'first name' : 'first value'
      at++
    } else {
      if (!take(scalar)) return at
      state = 'after'
    }
  }
}
