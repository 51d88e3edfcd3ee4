/** One moto server for tests, which stands for the services of AWS: https://docs.getmoto.org/en/latest/docs/server_mode.html. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from './free-port.js'
import { motoEnvironment } from './install-moto.js'

export class Moto {
  readonly #process: ChildProcess
  readonly address: string

  private constructor(child: ChildProcess, address: string) {
    this.#process = child
    this.address = address
  }

  static async start(): Promise<Moto> {
    const port = await freePort()
    const child = spawn('python3', ['-m', 'moto.server', '-H', '127.0.0.1', '-p', `${port}`], {
      // Until `guard` is called, nobody is asked who they are.
      env: { ...motoEnvironment, INITIAL_NO_AUTH_ACTION_COUNT: '1000000' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)))
    const server = new Moto(child, `http://127.0.0.1:${port}`)
    for (let left = 600; ; left -= 1) {
      const answer = await fetch(`${server.address}/moto-api/data.json`).catch(() => undefined)
      await answer?.body?.cancel()
      if (answer?.ok === true) return server
      if (child.exitCode !== null || left === 0) throw new Error(`moto did not start:\n${said}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** From now on it verifies each signature, and what the policies of IAM allow; and no longer, when it is called with false. */
  async guard(isGuarded = true): Promise<void> {
    const answer = await fetch(`${this.address}/moto-api/reset-auth`, { method: 'POST', body: isGuarded ? '0' : '1000000' })
    if (!answer.ok) throw new Error(`moto answered ${answer.status}`)
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}
