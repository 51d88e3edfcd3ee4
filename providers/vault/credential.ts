/** Credentials that a login sends, asked for or read anew each time: they are rotated too. */
import { readCredentialFile } from '../../src/credential-file.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { Credential } from './options.js'

/** @throws SecretError `invalid-config` where it cannot be had. */
export async function takeCredential(given: Credential | undefined, file: string | undefined, option: string): Promise<string | undefined> {
  if (given !== undefined) return typeof given === 'string' ? given : ask(given, option)
  return file === undefined ? undefined : readCredentialFile(file, `${option}File`)
}

async function ask(give: () => string | Promise<string>, option: string): Promise<string> {
  let value: unknown
  try {
    value = await give()
  } catch {
    // Nothing of the error: it may hold what was to be given.
    throw invalidConfig(option, 'threw', 'a function that gives the credential')
  }
  if (typeof value !== 'string' || value === '') throw invalidConfig(option, 'gave no text', 'a function that gives the credential')
  return value
}
