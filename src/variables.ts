/** Secrets that are handed to another program as variables. */
import { createError, invalidConfig } from './errors/secret-error.js'
import { variableName } from './provider-names.js'

/**
 * The variable of each name.
 * @param program Who is handed them, for the error: 'the command'.
 * @param isReserved Is this a variable that the program needs, and no secret may stand in for?
 * @throws SecretError `invalid-config` where two names are one variable, or one is reserved.
 */
export function variablesOf(names: readonly string[], program: string, isReserved: (variable: string) => boolean): ReadonlyMap<string, string> {
  const owners = new Map<string, string>()
  const variables = new Map<string, string>()
  for (const name of names) {
    const variable = variableName(name, 'run')
    const other = owners.get(variable)
    if (other !== undefined) throw invalidConfig(`The names "${other}" and "${name}"`, `are one variable, ${variable}`, 'names that stay apart when / and - become _')
    if (isReserved(variable)) throw invalidConfig(`The name "${name}"`, `is the variable ${variable}, which ${program} needs as it is`, 'another name')
    owners.set(variable, name)
    variables.set(name, variable)
  }
  return variables
}

/** What holds a NUL cannot be handed over, and the system's own error would print it. */
export function checkVariable(secret: string, value: string): string {
  if (!value.includes('\0')) return value
  throw createError({ code: 'invalid-value', reason: 'nul', fix: 'A variable cannot hold a NUL character: let the command read this secret itself' }, { secret })
}
