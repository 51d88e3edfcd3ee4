/** One moto server for tests, which stands for the services of AWS: https://docs.getmoto.org/en/latest/docs/server_mode.html. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.ts'
import { motoEnvironment } from './install-moto.ts'

const program = fileURLToPath(new URL('moto_server.py', import.meta.url))
/** Versions of the interfaces that the services speak with forms. */
const versions = { iam: '2010-05-08', sts: '2011-06-15' } as const

export interface AwsKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface PolicyStatement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Action: string | readonly string[]
  readonly Resource: string | readonly string[]
}

export class Moto {
  readonly #process: ChildProcess
  readonly address: string
  readonly region = 'eu-west-1'
  readonly account = '123456789012'

  private constructor(child: ChildProcess, address: string) {
    this.#process = child
    this.address = address
  }

  /** Every request but those of this class is held to its signature, and to what the policies of IAM allow. */
  static async start(): Promise<Moto> {
    const port = await freePort()
    const child = spawn('python3', [program, '-H', '127.0.0.1', '-p', `${port}`], {
      env: { ...motoEnvironment, INITIAL_NO_AUTH_ACTION_COUNT: '0' },
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

  /** As on its first day. */
  async reset(): Promise<void> {
    const answer = await fetch(`${this.address}/moto-api/reset`, { method: 'POST' })
    if (!answer.ok) throw new Error(`moto answered ${answer.status}`)
  }

  /** What Secrets Manager answers: `demand('CreateSecret', { Name, SecretString })`. */
  async demand(action: string, input: Readonly<Record<string, unknown>>, account = this.account): Promise<Readonly<Record<string, unknown>>> {
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `secretsmanager.${action}`, 'x-moto-account-id': account }
    return JSON.parse(await this.#ask('secretsmanager', headers, JSON.stringify(input))) as Record<string, unknown>
  }

  /** What IAM or STS answers: an element of it by its name. */
  async ask(service: keyof typeof versions, action: string, input: Readonly<Record<string, string>>): Promise<(element: string) => string> {
    const body = new URLSearchParams({ Action: action, Version: versions[service], ...input })
    const text = await this.#ask(service, { 'content-type': 'application/x-www-form-urlencoded' }, body.toString())
    return (element) => new RegExp(`<${element}>([^<]+)<`).exec(text)?.[1] ?? ''
  }

  async #ask(service: string, headers: Readonly<Record<string, string>>, body: string): Promise<string> {
    const authorization = `AWS4-HMAC-SHA256 Credential=root-of-the-tests/20200101/${service === 'secretsmanager' ? this.region : 'us-east-1'}/${service}/aws4_request`
    const answer = await fetch(this.address, { method: 'POST', headers: { ...headers, authorization }, body })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`moto answered ${answer.status}: ${text}`)
    return text
  }

  /** A user who may do this, with a key. */
  async createUser(name: string, statements: readonly PolicyStatement[]): Promise<AwsKey & { readonly arn: string }> {
    const user = await this.ask('iam', 'CreateUser', { UserName: name })
    await this.setUserPolicy(name, statements)
    const key = await this.ask('iam', 'CreateAccessKey', { UserName: name })
    return { arn: user('Arn'), accessKeyId: key('AccessKeyId'), secretAccessKey: key('SecretAccessKey') }
  }

  async setUserPolicy(name: string, statements: readonly PolicyStatement[]): Promise<void> {
    await this.ask('iam', 'PutUserPolicy', { UserName: name, PolicyName: 'own', PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: statements }) })
  }

  /** A role that this principal may assume. */
  async createRole(name: string, principal: string, statements: readonly PolicyStatement[]): Promise<string> {
    const trust = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { AWS: principal }, Action: 'sts:AssumeRole' }] }
    const role = await this.ask('iam', 'CreateRole', { RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) })
    await this.ask('iam', 'PutRolePolicy', { RoleName: name, PolicyName: 'own', PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: statements }) })
    return role('Arn')
  }

  /** It takes what comes, and does not answer. */
  pause(): void {
    this.#process.kill('SIGSTOP')
  }
  resume(): void {
    this.#process.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}
