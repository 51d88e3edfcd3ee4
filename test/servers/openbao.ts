/** One OpenBao (or Vault) server for tests: started, unsealed, and asked for what it saw. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { exchange } from './exchange.ts'
import { freePort } from './free-port.ts'
import { serverProgram } from './install-openbao.ts'

export interface ServerCertificate {
  readonly certificate: string
  readonly key: string
}

export interface OpenBaoOptions {
  /** Serves TLS with these, in PEM. */
  tls?: ServerCertificate
  /** Keeps what it has when it is killed and launched again. */
  isDurable?: boolean
}

/** Of a request as the audit device tells it; values in it are hashed by the server. */
export interface AuditEntry {
  readonly type: 'request' | 'response'
  readonly request: {
    readonly path: string
    readonly operation: string
    readonly client_token?: string
    readonly remote_port?: number
    readonly headers?: Readonly<Record<string, readonly string[]>>
  }
  readonly auth?: { readonly metadata?: Readonly<Record<string, string>>; readonly policies?: readonly string[]; readonly token_policies?: readonly string[] }
  readonly error?: string
}

export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

export class OpenBao {
  readonly #directory: string
  readonly #options: OpenBaoOptions
  readonly #port: number
  #process: ChildProcess | undefined
  #unsealKey = ''
  rootToken = ''

  private constructor(directory: string, port: number, options: OpenBaoOptions) {
    this.#directory = directory
    this.#port = port
    this.#options = options
  }

  static async start(options: OpenBaoOptions = {}): Promise<OpenBao> {
    const directory = await mkdtemp(join(tmpdir(), 'keyward-openbao-'))
    const server = new OpenBao(directory, await freePort(), options)
    await server.#configure(await freePort())
    await server.launch()
    await server.#initialize()
    return server
  }

  get address(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`
  }

  async #configure(clusterPort: number): Promise<void> {
    const { tls } = this.#options
    if (tls !== undefined) {
      await writeFile(join(this.#directory, 'certificate.pem'), tls.certificate)
      await writeFile(join(this.#directory, 'key.pem'), tls.key, { mode: 0o600 })
    }
    const listener =
      tls === undefined ? 'tls_disable = true' : `tls_cert_file = "${join(this.#directory, 'certificate.pem')}"\n  tls_key_file = "${join(this.#directory, 'key.pem')}"`
    // Vault knows no audit devices in its configuration: there it is enabled when the server is up.
    const audit = `audit "file" "file" {\n  options {\n    file_path = "${this.#auditFile}"\n  }\n}\n`
    const storage = this.#options.isDurable === true ? `storage "raft" {\n  path = "${this.#directory}"\n  node_id = "one"\n}` : 'storage "inmem" {}'
    const text = `${storage}
listener "tcp" {
  address = "127.0.0.1:${this.#port}"
  cluster_address = "127.0.0.1:${clusterPort}"
  ${listener}
}
api_addr = "${this.address}"
cluster_addr = "http://127.0.0.1:${clusterPort}"
${isVault ? 'disable_mlock = true\n' : audit}`
    await writeFile(join(this.#directory, 'server.hcl'), text)
  }

  get #auditFile(): string {
    return join(this.#directory, 'audit.log')
  }

  /** Starts the process, sealed. */
  async launch(): Promise<void> {
    const child = spawn(serverProgram, ['server', '-config', join(this.#directory, 'server.hcl')], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)))
    const failed = once(child, 'exit').then(() => {
      throw new Error(`the server ended before it was ready:\n${said}`)
    })
    await Promise.race([failed, this.#untilItAnswers()])
    failed.catch(() => undefined)
  }

  async #untilItAnswers(): Promise<void> {
    for (let left = 400; ; left -= 1) {
      const answer = await this.request('GET', 'sys/seal-status', undefined, '').catch(() => undefined)
      if (answer?.status === 200) return
      if (left === 0) throw new Error('the server did not answer within 20 s')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async #initialize(): Promise<void> {
    const { body } = await this.request('PUT', 'sys/init', { secret_shares: 1, secret_threshold: 1 }, '')
    this.#unsealKey = (body['keys_base64'] as string[])[0]!
    this.rootToken = body['root_token'] as string
    await this.unseal()
    if (isVault) await this.demand('PUT', 'sys/audit/file', { type: 'file', options: { file_path: this.#auditFile } })
    // Else a refusal for a quota does not say when to come again.
    await this.demand('POST', 'sys/quotas/config', { enable_rate_limit_response_headers: true })
    await this.demand('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } })
  }

  async unseal(): Promise<void> {
    await this.demand('PUT', 'sys/unseal', { key: this.#unsealKey }, '')
    for (let left = 200; left > 0; left -= 1) {
      const { status } = await this.request('GET', 'sys/health', undefined, '')
      if (status === 200) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('the server is not active 10 s after it was unsealed')
  }

  seal(): Promise<unknown> {
    return this.demand('PUT', 'sys/seal')
  }

  /** With the root token, unless another is given. */
  request(method: string, path: string, body?: unknown, token = this.rootToken, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return exchange(
      { method, path: `/v1/${path}`, headers: { ...headers, ...(token === '' ? {} : { 'x-vault-token': token }) } },
      this.#port,
      this.#options.tls !== undefined,
      body,
    )
  }

  /** The body; any other status than a success is an error of the test. */
  async demand(method: string, path: string, body?: unknown, token = this.rootToken, headers: Readonly<Record<string, string>> = {}): Promise<Answer['body']> {
    const answer = await this.request(method, path, body, token, headers)
    if (answer.status < 200 || answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  /** A token with these policies and nothing else. */
  async createToken(policies: readonly string[], options: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const { auth } = await this.demand('POST', 'auth/token/create', { policies, no_default_policy: true, ...options })
    return (auth as { client_token: string }).client_token
  }

  putPolicy(name: string, policy: string): Promise<unknown> {
    return this.demand('PUT', `sys/policies/acl/${name}`, { policy })
  }

  /** What it was asked and what it answered, since it started. */
  async audit(): Promise<readonly AuditEntry[]> {
    const text = await readFile(this.#auditFile, 'utf8')
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as AuditEntry]))
  }

  /** It takes what comes, and does not answer. */
  async pause(): Promise<void> {
    const child = this.#process
    child?.kill('SIGSTOP')
    // The signal stops one thread after another.
    while ((await promisify(execFile)('ps', ['-o', 'stat=', '-p', `${child?.pid}`])).stdout[0] !== 'T') await new Promise((resolve) => setTimeout(resolve, 5))
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  /** At once, as when a machine goes down. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

const isVault = /(?:^|[/\\])vault(?:\.exe)?$/.test(serverProgram)
