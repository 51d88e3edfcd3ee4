/** Credentials that a login sends, asked for or read anew each time: they are rotated too. */
import { readFile } from 'node:fs/promises'
import { printable } from '../../src/errors/check.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { Credential } from './options.js'

/** @throws SecretError `invalid-config` where it cannot be had. */
export async function takeCredential(given: Credential | undefined, file: string | undefined, option: string): Promise<string | undefined> {
  if (given !== undefined) return typeof given === 'string' ? given : ask(given, option)
  return file === undefined ? undefined : readCredential(file, `${option}File`)
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

/** What a file has, without the line end that editors and echo add. */
export async function readCredential(file: string, option: string): Promise<string> {
  let text: string
  try {
    text = (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw invalidConfig(option, `cannot be read (${codeOf(error)}: ${printable(file)})`, 'the path of a file that the user of this process may read')
  }
  if (text === '') throw invalidConfig(option, 'is an empty file', 'a file that has the credential')
  return text
}

export function codeOf(error: unknown): string {
  const code: unknown = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : 'an error'
}
