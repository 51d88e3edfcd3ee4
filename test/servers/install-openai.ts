/** The SDK of OpenAI for Python as PyPI has it: a client that is none of ours, in a language that is none of ours. */
import { folderOf, installPackage, run } from './install-python.ts'

const version = '3.57.0'
const name = `openai-${version}`

/** How a program of Python finds it, with nothing else of this environment. */
export const openAiEnvironment: Readonly<Record<string, string>> = { PATH: process.env['PATH'] ?? '', PYTHONPATH: folderOf(name), PYTHONDONTWRITEBYTECODE: '1', PYTHONUTF8: '1' }

/** Of vitest: before any test runs. It fails where there is no SDK, since tests without one would prove nothing. */
export default async function setup(): Promise<void> {
  await installPackage(name, [`openai==${version}`])
  await run('python3', ['-c', 'import openai'], { env: openAiEnvironment })
}
