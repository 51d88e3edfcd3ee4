/** `${NAME}`, `$NAME` and `${NAME:-default}` in the values of dotenv files. Runs nothing and reads nothing but the variables that it is handed. */
import { printable } from '../../src/errors/check.js'
import { SecretError } from '../../src/errors/secret-error.js'

/** A piece of a value: text, or a reference with what stands for a variable that is unknown or empty. */
export type Part = string | { readonly name: string; readonly fallback: readonly Part[] | undefined }

export interface Variable {
  value: string
  /** Handed over verbatim: process variables, and what stands in single quotes. */
  isLiteral: boolean
  /** How an error names the file. */
  file: string
}

const deepest = 100
const longest = 1_048_576

/**
 * The value of `name` with its references resolved, or undefined where there is no such variable.
 * @throws SecretError `invalid-value` for a cycle, for a `${` that begins no reference, and for a value that nests or grows beyond all use. Names file and variable, never a value.
 */
export function expand(name: string, lookUp: (name: string) => Variable | undefined): string | undefined {
  const resolved = new Map<string, string>()
  const resolve = (wanted: string, path: readonly string[]): string | undefined => {
    const variable = lookUp(wanted)
    if (variable === undefined || variable.isLiteral) return variable?.value
    const known = resolved.get(wanted)
    if (known !== undefined) return known
    if (path.includes(wanted)) {
      throw invalidValue(variable, wanted, `refers to itself by way of ${[...path.slice(path.indexOf(wanted)), wanted].map(printable).join(', ')}; break the cycle`)
    }
    if (path.length >= deepest) throw invalidValue(variable, wanted, `stands at the end of more than ${deepest} references; shorten the chain`)
    const parts = parseParts(variable.value)
    if (parts === undefined)
      throw invalidValue(
        variable,
        wanted,
        'has a "${" that begins neither ${NAME} nor ${NAME:-default}; write "\\${" for the characters themselves, or put the value in single quotes',
      )
    const value = join(parts, variable, wanted, [...path, wanted])
    resolved.set(wanted, value)
    return value
  }
  const join = (parts: readonly Part[], variable: Variable, owner: string, path: readonly string[]): string => {
    let text = ''
    for (const part of parts) {
      text += typeof part === 'string' ? part : refer(part, variable, owner, path)
      if (text.length > longest) throw invalidValue(variable, owner, 'grows beyond 1 MiB when it is expanded; use fewer references')
    }
    return text
  }
  const refer = ({ name: wanted, fallback }: Exclude<Part, string>, variable: Variable, owner: string, path: readonly string[]): string => {
    if (fallback === undefined) return resolve(wanted, path) ?? ''
    // `NAME=${NAME:-default}` is how shells write "unless it is set": this line is read only where it is not.
    const value = wanted === owner ? undefined : resolve(wanted, path)
    return value === undefined || value === '' ? join(fallback, variable, owner, path) : value
  }
  return resolve(name, [])
}

/** The pieces of a value; undefined where a `${` begins no reference. `\$` is a dollar sign, and a `$` before anything but a name is one as well. */
export function parseParts(text: string): readonly Part[] | undefined {
  let position = 0
  const parse = (depth: number): Part[] | undefined => {
    const parts: Part[] = []
    let plain = ''
    while (position < text.length) {
      if (depth > 0 && text[position] === '}') break
      const [matched = '', escaped, bare, braced, ending] = matchAt(/(\\\$)|\$([A-Za-z_]\w*)|\$\{([A-Za-z_][\w.]*)(:-|\})|\$\{|[^]/y, text, position)
      if (matched === '${') return undefined
      position += matched.length
      if (bare === undefined && braced === undefined) {
        plain += escaped === undefined ? matched : '$'
        continue
      }
      let fallback: Part[] | undefined
      if (ending === ':-') {
        fallback = depth < deepest ? parse(depth + 1) : undefined
        if (fallback === undefined || text[position] !== '}') return undefined
        position += 1
      }
      if (plain !== '') parts.push(plain)
      plain = ''
      parts.push({ name: bare ?? braced ?? '', fallback })
    }
    if (plain !== '') parts.push(plain)
    return parts
  }
  return parse(0)
}

function matchAt(pattern: RegExp, text: string, position: number): readonly (string | undefined)[] {
  pattern.lastIndex = position
  return pattern.exec(text) ?? []
}

function invalidValue(variable: Variable, name: string, wrong: string): SecretError {
  return new SecretError({ code: 'invalid-value', fix: `In dotenv file "${variable.file}" the variable ${printable(name)} ${wrong}` })
}
