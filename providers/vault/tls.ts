/** What a connection is secured with: texts of the options, and files, read once when the first request is made. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invalidConfig } from '../../src/errors/secret-error.js'
import { codeOf, toldCodeOf } from '../../src/errors/system-error.js'
import type { CheckedTls } from './options.js'

export interface TlsMaterial {
  readonly ca?: string | string[]
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

const variables = { caFile: 'VAULT_CACERT', caPath: 'VAULT_CAPATH', certFile: 'VAULT_CLIENT_CERT', keyFile: 'VAULT_CLIENT_KEY' } as const

/** @throws SecretError `invalid-config` for a file that cannot be read. */
export async function loadTls(tls: CheckedTls): Promise<TlsMaterial> {
  const { caPath } = tls
  const [ca, cert, key] = await Promise.all([caPath === undefined ? load(tls, 'ca') : loadAll(caPath), load(tls, 'cert'), load(tls, 'key')])
  for (const text of [ca ?? []].flat()) demandPem(text, 'vault.tls.ca (VAULT_CACERT)', 'CERTIFICATE')
  if (cert !== undefined) demandPem(cert, 'vault.tls.cert (VAULT_CLIENT_CERT)', 'CERTIFICATE')
  if (key !== undefined) demandPem(key, 'vault.tls.key (VAULT_CLIENT_KEY)', 'PRIVATE KEY')
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  }
}

/** What TLS says of a text that is none of these names neither the option nor the file. */
function demandPem(text: string, option: string, kind: 'CERTIFICATE' | 'PRIVATE KEY'): void {
  if (!new RegExp(`^-----BEGIN (?:[A-Z0-9]+ )*${kind}-----`, 'm').test(text))
    throw invalidConfig(option, `holds no ${kind.toLowerCase()}`, `PEM, which begins with -----BEGIN ${kind}-----`)
}

async function load(tls: CheckedTls, name: 'ca' | 'cert' | 'key'): Promise<string | undefined> {
  const file = tls[`${name}File`]
  return file === undefined ? tls[name] : read(`${name}File`, 'the path of a file in PEM', () => readFile(file, 'utf8'))
}

/** Folders are none of them: a mounted secret of Kubernetes has some. */
const loadAll = (directory: string): Promise<string[]> =>
  read('caPath', 'the path of a directory with files in PEM', async () => {
    const entries = await readdir(directory)
    const texts = await Promise.all(entries.map((entry) => readFile(join(directory, entry), 'utf8').catch(unlessFolder)))
    const found = texts.filter((text) => text !== undefined)
    // Without one, whatever the system trusts would be trusted.
    if (found.length === 0) throw Object.assign(new Error('no file'), { code: 'EMPTY' })
    return found
  })

function unlessFolder(error: unknown): undefined {
  if (codeOf(error) !== 'EISDIR') throw error
}

async function read<Result>(option: keyof typeof variables, expected: string, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    throw invalidConfig(`vault.tls.${option} (${variables[option]})`, `cannot be read (${toldCodeOf(error)})`, `${expected} that the user of this process may read`)
  }
}
