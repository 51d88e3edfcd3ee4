/** How names become variables: one mapping for `env`, `dotenv` and whatever else hands secrets over as variables. */
import { SecretError } from './errors/secret-error.js'

/**
 * The variable of a name: `/` and `-` become `_`, case is kept.
 * @param provider The provider's kind, for the error.
 * @throws SecretError `unsupported` for a name with any other character outside `[A-Za-z0-9_.]`.
 */
export function variableName(name: string, provider: string): string {
  const variable = name.replace(/[/-]/g, '_')
  if (!/^[A-Za-z0-9_.]+$/.test(variable)) {
    throw new SecretError({
      code: 'unsupported',
      fix: `Provider "${provider}" takes names of A-Z, a-z, 0-9, "_", "." and, mapped to "_", "/" and "-"; rename the secret, or say in \`references\` which variable holds it`,
    })
  }
  return variable
}

/**
 * A variable of this process, read now; undefined where there is none. Case counts on every system, Windows too.
 * An empty string is a value.
 */
export function processVariable(name: string): string | undefined {
  // Systems end a name at NUL and at the first "=": `A=B` would be answered with a part of A's value, past a rule that names A.
  if (typeof process === 'undefined' || /[\0=]/.test(name)) return undefined
  if (!Object.hasOwn(process.env, name)) return undefined
  // Windows finds `path` under `PATH`: a second spelling would be a way around a rule for the first.
  if (process.platform === 'win32' && !Object.keys(process.env).includes(name)) return undefined
  return process.env[name]
}

/** The same of a setting, without white space around it: one that says nothing is none. */
export function processSetting(name: string): string | undefined {
  const text = processVariable(name)?.trim()
  return text === '' ? undefined : text
}
