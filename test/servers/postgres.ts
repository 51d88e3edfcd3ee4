/** A PostgreSQL server for tests, of the programs that a Debian package, Homebrew or an installer left; `POSTGRES_BIN` names their folder. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './free-port.ts'

const run = promisify(execFile)
const debian = '/usr/lib/postgresql'

function findPrograms(): string {
  const installed = existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, 'bin')) : []
  const found = [process.env['POSTGRES_BIN'] ?? '', ...installed.toReversed(), '/opt/homebrew/bin', '/usr/local/bin', '/usr/bin'].find((folder) =>
    existsSync(join(folder, 'initdb')),
  )
  if (found === undefined)
    throw new Error('PostgreSQL is needed by these tests: install the package postgresql (apt-get install postgresql), or name the folder of its programs in POSTGRES_BIN')
  return found
}

/** It refuses to run as root, so there it is nobody's. */
const isRoot = process.getuid?.() === 0
const identity = isRoot ? { uid: 65_534, gid: 65_534 } : {}

export class Postgres {
  readonly port: number
  readonly password: string
  readonly #programs: string
  readonly #directory: string
  readonly #process: ChildProcess

  private constructor(programs: string, directory: string, port: number, password: string) {
    this.#programs = programs
    this.#directory = directory
    this.port = port
    this.password = password
    this.#process = spawn(join(programs, 'postgres'), ['-D', join(directory, 'data'), '-p', `${port}`, '-k', directory, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'], {
      ...identity,
      cwd: directory,
      stdio: 'ignore',
    })
  }

  static async start(): Promise<Postgres> {
    const programs = findPrograms()
    const directory = await mkdtemp(join(tmpdir(), 'keyward-postgres-'))
    const password = randomBytes(12).toString('hex')
    const passwordFile = join(directory, 'password')
    await writeFile(passwordFile, password, { mode: 0o600 })
    if (isRoot) for (const path of [directory, passwordFile]) await chown(path, identity.uid!, identity.gid!)
    await run(join(programs, 'initdb'), ['-D', join(directory, 'data'), '-U', 'owner', '-A', 'scram-sha-256', '--pwfile', passwordFile, '--no-sync'], {
      ...identity,
      cwd: directory,
    })
    const server = new Postgres(programs, directory, await freePort(), password)
    for (let left = 200; ; left -= 1) {
      const answer = await server.query('select 1').catch((error: unknown) => error)
      if (answer === '1') return server
      if (left === 0) throw new Error('PostgreSQL did not answer within 20 s', { cause: answer })
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** What a query answers, as text; rejects where the server refuses the user. */
  async query(sql: string, user = 'owner', password = this.password): Promise<string> {
    const { stdout } = await run(join(this.#programs, 'psql'), ['-h', '127.0.0.1', '-p', `${this.port}`, '-U', user, '-d', 'postgres', '-w', '-A', '-t', '-c', sql], {
      env: { PGPASSWORD: password, PGCONNECT_TIMEOUT: '5' },
    })
    return stdout.trim()
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGQUIT')
    await ended
    await rm(this.#directory, { recursive: true, force: true })
  }
}
