/** Files that hold a credential of a provider, read whenever it is needed: it is rotated too. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
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
    text = (await readSmall(file)).trim()
  } catch (error) {
    throw invalidConfig(option, `cannot be read (${toldCodeOf(error)}: ${printable(file)})`, 'the path of a file that the user of this process may read')
  }
  if (text === '') throw invalidConfig(option, 'is an empty file', 'a file that has the credential')
  return text
}

/** Bytes. */
const largest = 1_048_576

/** What is no file (a pipe, a device) is not waited for: nothing could end that, and it may never end. */
async function readSmall(file: string): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw Object.assign(new Error('no file'), { code: stats.isDirectory() ? 'EISDIR' : 'NOT_A_FILE' })
    if (stats.size > largest) throw Object.assign(new Error('too large'), { code: 'EFBIG' })
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}
