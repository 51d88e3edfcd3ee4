/** What a connection is secured with: texts of the options, and files, read once when the first request is made. */
import { readFile } from 'node:fs/promises'
import { invalidConfig } from '../../src/errors/secret-error.js'
import { codeOf } from './credential.js'
import type { CheckedTls } from './options.js'

export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

const variables = { ca: 'VAULT_CACERT', cert: 'VAULT_CLIENT_CERT', key: 'VAULT_CLIENT_KEY' } as const

/** @throws SecretError `invalid-config` for a file that cannot be read. */
export async function loadTls(tls: CheckedTls): Promise<TlsMaterial> {
  const [ca, cert, key] = await Promise.all([load(tls, 'ca'), load(tls, 'cert'), load(tls, 'key')])
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  }
}

async function load(tls: CheckedTls, name: 'ca' | 'cert' | 'key'): Promise<string | undefined> {
  const file = tls[`${name}File`]
  if (file === undefined) return tls[name]
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw invalidConfig(`vault.tls.${name}File (${variables[name]})`, `cannot be read (${codeOf(error)})`, 'the path of a file in PEM that the user of this process may read')
  }
}
