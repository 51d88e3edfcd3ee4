import { printable } from '../../src/errors/check.js'
import { SecretNotFoundError } from '../../src/errors/secret-error.js'
import { processVariable } from '../../src/provider-names.js'

/**
 * The variable as it is now; an empty one is a value.
 * @throws SecretNotFoundError without a reason where it is not set.
 */
export function readVariable(id: string): string {
  const value = processVariable(id)
  if (value === undefined) {
    throw new SecretNotFoundError({ code: 'not-found', fix: `Set the environment variable ${printable(id)} for this process (upper and lower case count), or give \`default\`` })
  }
  return value
}
