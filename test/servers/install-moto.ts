/** The server that stands for AWS in tests: moto as PyPI has it, with the services that it imitates. */
import { folderOf, installPackage, run } from './install-python.ts'

const version = '5.2.5'
const name = `moto-${version}`

/** How a program of Python finds it. */
export const motoEnvironment = { ...process.env, PYTHONPATH: folderOf(name), PYTHONDONTWRITEBYTECODE: '1' }

/** Of vitest: before any test runs. It fails where there is no server, since tests without one would prove nothing. */
export default async function setup(): Promise<void> {
  await installPackage(name, [`moto[server]==${version}`])
  await run('python3', ['-c', 'import moto.server'], { env: motoEnvironment })
}
