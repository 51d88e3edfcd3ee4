import { execFile } from 'node:child_process'

/** What a program prints. Rejects with all that it said when it fails. */
export function run(program: string, parameters: readonly string[], directory: string, environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...parameters], { cwd: directory, env: environment, maxBuffer: 64 * 1024 * 1024 }, (error, output, errors) => {
      if (error === null) resolve(output)
      else reject(new Error(`${program} ${parameters.join(' ')} failed: ${error.message}\n${output}\n${errors}`, { cause: error }))
    })
  })
}
