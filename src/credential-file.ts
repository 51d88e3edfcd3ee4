/** Files that hold a credential of a provider, read whenever it is needed: it is rotated too. */
import { readFile } from 'node:fs/promises'
import { printable } from './errors/check.js'
import { invalidConfig } from './errors/secret-error.js'
import { toldCodeOf } from './errors/system-error.js'

/**
 * What a file has, without the line end that editors and echo add.
 * @param option How the error names it.
 * @throws SecretError `invalid-config` where it cannot be had.
 */
export async function readCredentialFile(file: string, option: string): Promise<string> {
  let text: string
  try {
    text = (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw invalidConfig(option, `cannot be read (${toldCodeOf(error)}: ${printable(file)})`, 'the path of a file that the user of this process may read')
  }
  if (text === '') throw invalidConfig(option, 'is an empty file', 'a file that has the credential')
  return text
}
