/** The private keys of dotenvx, and what they open. */
import { basename } from 'node:path'
import { printable } from '../../src/errors/check.js'
import { SecretError } from '../../src/errors/secret-error.js'
import { processVariable } from '../../src/provider-names.js'
import type { DotenvFile } from './client.js'
import { decrypt, encrypt, isEncrypted, isWhole, publicKeyOf } from './encryption.js'
import type { Variable } from './expand.js'

const [privatePrefix, publicPrefix] = ['DOTENV_PRIVATE_KEY', 'DOTENV_PUBLIC_KEY']

interface Key {
  name: string
  privateKey: string
}

/** Opens what stands encrypted in files; knows each value that it opened. */
export class Keys {
  readonly #conceal: (value: string, label: string) => void
  readonly #concealed = new Set<string>()
  readonly #opened = new WeakMap<DotenvFile, Map<string, string>>()

  readonly #keyFiles: () => readonly DotenvFile[]

  /** @param keyFiles Those with private keys that there are. */
  constructor(keyFiles: () => readonly DotenvFile[], conceal: (value: string, label: string) => void) {
    this.#keyFiles = keyFiles
    this.#conceal = conceal
  }

  /**
   * The variable as it is meant.
   * @throws SecretError `invalid-config` where no key opens it, `invalid-value` where none could.
   */
  open(name: string, variable: Variable, file: DotenvFile): Variable {
    if (!isEncrypted(variable.value)) return variable
    const known = this.#opened.get(file) ?? new Map<string, string>()
    this.#opened.set(file, known)
    const value = known.get(variable.value) ?? this.#decrypt(name, variable.value, file)
    known.set(variable.value, value)
    return { ...variable, value }
  }

  /** Are values of this file to be encrypted, and the one that stands there now above all? */
  isEncrypting(name: string, file: DotenvFile | undefined): boolean {
    if (file === undefined || name.startsWith(publicPrefix) || name.startsWith(privatePrefix)) return false
    return isEncrypted(file.variables.get(name)?.value ?? '') || publicNames(file).length > 0
  }

  /** For the file's own key, as dotenvx would. */
  encrypt(name: string, value: string, file: DotenvFile): string {
    const names = publicNames(file)
    const chosen = names.find((one) => one === publicPrefix + suffixOf(file)) ?? names[0]
    const publicKey = chosen === undefined ? this.#publicKeyOf(file.variables.get(name)?.value ?? '', file) : file.variables.get(chosen)?.value
    const encrypted = publicKey === undefined ? undefined : encrypt(value, publicKey)
    if (encrypted !== undefined) return encrypted
    const wrong = publicKey === undefined ? `has no ${publicPrefix + suffixOf(file)}` : `has a ${chosen ?? publicPrefix} that is no public key`
    throw new SecretError({
      code: 'invalid-config',
      reason: 'no-public-key',
      fix: `Dotenv file "${file.name}" is encrypted and ${wrong}, so ${printable(name)} cannot be written to it: run \`dotenvx encrypt\` on it, or restore the key`,
    })
  }

  /** Of the key that opens what stands there now. */
  #publicKeyOf(value: string, file: DotenvFile): string | undefined {
    const key = this.#keysOf(file).find(({ privateKey }) => decrypt(value, privateKey) !== undefined)
    return key === undefined ? undefined : publicKeyOf(key.privateKey)
  }

  #decrypt(name: string, value: string, file: DotenvFile): string {
    const what = `In dotenv file "${file.name}" the variable ${printable(name)} is encrypted`
    if (!isWhole(value))
      throw new SecretError({ code: 'invalid-value', reason: 'not-encrypted', fix: `${what} by nothing that dotenvx has, or cut off: set it again with \`dotenvx set\`` })
    const keys = this.#keysOf(file)
    for (const { privateKey } of keys) {
      const text = decrypt(value, privateKey)
      if (text !== undefined) return text
    }
    const names = privateNames(file).join(' or ')
    const where = `${names} in the environment or in a .env.keys beside the file`
    if (keys.length === 0) throw new SecretError({ code: 'invalid-config', reason: 'no-private-key', fix: `${what}, and its key is not there: set ${where}` })
    throw new SecretError({ code: 'invalid-config', reason: 'wrong-private-key', fix: `${what}, and with another key than the one given: check ${where}` })
  }

  /** In the order in which dotenvx looks: the environment, then the files. */
  #keysOf(file: DotenvFile): readonly Key[] {
    const keys = privateNames(file).flatMap((name) =>
      [processVariable(name), ...this.#keyFiles().map(({ variables }) => variables.get(name)?.value)].flatMap((found) =>
        (found ?? '').split(',').map((privateKey) => ({ name, privateKey: privateKey.trim() })),
      ),
    )
    const given = keys.filter(({ privateKey }) => privateKey !== '')
    for (const { name, privateKey } of given) {
      if (this.#concealed.has(privateKey)) continue
      this.#concealed.add(privateKey)
      this.#conceal(privateKey, name)
    }
    return given
  }
}

function publicNames({ variables }: DotenvFile): readonly string[] {
  return [...variables.keys()].filter((name) => /^DOTENV_PUBLIC_KEY(?:_.+)?$/.test(name))
}

/** By what the file says of its key, and by its name. */
function privateNames(file: DotenvFile): readonly string[] {
  return [...new Set([...publicNames(file).map((name) => name.replace(publicPrefix, privatePrefix)), privatePrefix + suffixOf(file)])]
}

/** `.env.production.local` is `_PRODUCTION_LOCAL`. */
function suffixOf({ path }: DotenvFile): string {
  return basename(path)
    .replace(/^\.env/, '')
    .replaceAll('.', '_')
    .toUpperCase()
}
