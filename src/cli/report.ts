/** How a failure is told: the message, never a stack unless it was asked for, and never a value. */
import { kindOf } from '../errors/kind.js'
import { isSecretError, type SecretError } from '../errors/secret-error.js'
import { CommandError, exitCodes } from './exit-codes.js'
import type { Output } from './output.js'

export interface Told {
  readonly code: string
  readonly message: string
}

/** @returns The exit code. */
export function report(error: unknown, output: Output, isVerbose: boolean, redact: (text: string) => string = (text) => text): number {
  const told = tell(error)
  const exitCode = exitCodeOf(told.code)
  if (output.isJson) output.result({ error: told, exitCode }, '')
  output.error(told.message)
  if (isVerbose && error instanceof Error && error.stack !== undefined) process.stderr.write(`${redact(error.stack)}\n`)
  return exitCode
}

export function exitCodeOf(code: string): number {
  return Object.hasOwn(exitCodes, code) ? exitCodes[code as keyof typeof exitCodes] : exitCodes.failed
}

export function tell(error: unknown): Told {
  if (isSecretError(error)) return tellSecretError(error)
  if (error instanceof CommandError) return { code: error.code, message: `keyward: ${error.message}` }
  const { syscall, code, path } = error instanceof Error ? (error as NodeJS.ErrnoException) : {}
  // What somebody else's error says may quote a value; its kind may not.
  const isOfSystem = syscall !== undefined && /^[A-Z]\w*$/.test(code ?? '')
  const what = isOfSystem ? `${syscall} failed (${code})${path === undefined ? '' : ` for ${path.replace(/\p{Cc}/gu, '?')}`}` : `failed with ${kindOf(error)}`
  return { code: 'failed', message: `keyward: ${what}. \`--verbose\` shows where.` }
}

/** What only code can do, and what stands for it at a shell. */
const ofCode: readonly (readonly [RegExp, string])[] = [
  [/,? [Oo]r give `default`/, ''],
  [/^keyward: agent is not declared/, 'keyward: `--agent` is not declared'],
  [/the `environment` option/, '`--environment`'],
  [/loadSecrets: environment\b/, '`--environment`'],
  [/, or the config as \.mjs or \.json, or the `config` option of loadSecrets/, ', or the config as .mjs or .json'],
  [
    /, `--config` of the command or `directory` of loadSecrets where it is elsewhere( \([^)]*\)), or createSecrets\(\), which needs no config/,
    ', or `--config` where it is elsewhere$1',
  ],
]

/** A message in the words of a shell. */
export const forShell = (text: string): string => ofCode.reduce((before, [said, instead]) => before.replace(said, instead), text)

function tellSecretError(error: SecretError): Told {
  const { code, secret, provider, agent, deniedBy, reason, retryAfter, errors } = error
  const help = code === 'not-found' ? ' `keyward list` shows what there is, and `keyward set NAME` writes a secret.' : ''
  const message = help === '' ? forShell(error.message) : `${forShell(error.message).replace(/\.?$/, '.')}${help}`
  const known = Object.entries({ secret, provider, agent, deniedBy, reason, retryAfter }).filter(([, value]) => value !== undefined)
  return { code, message, ...Object.fromEntries(known), ...(errors === undefined ? {} : { errors: errors.map(tellSecretError) }) }
}
