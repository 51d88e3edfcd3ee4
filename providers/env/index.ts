/** Secrets in the environment variables of this process. */
import { checkObject, checkString } from '../../src/errors/check.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { ProviderFactory } from '../../src/provider.js'
import { variableName } from '../../src/provider-names.js'
import { readVariable } from './client.js'
import { failure } from './failure.js'

export interface EnvOptions {
  /** Stands before the variable of every name: with `'AGENT_'` the name `search/key` is the variable `AGENT_search_key`. References give the whole variable. Default: none. */
  prefix?: string
}

/**
 * A provider over `process.env`, which it reads at each call and never writes.
 * @throws SecretError `invalid-config` for options that are none.
 */
export function env(options: EnvOptions = {}): ProviderFactory {
  const given = checkObject(options, 'env', ['prefix'])
  const prefix = given['prefix'] === undefined ? '' : checkPrefix(given['prefix'])
  return () => ({
    name: 'env',
    local: true,
    async get(request, context) {
      context.signal.throwIfAborted()
      return { value: readVariable(request.id) }
    },
    locate: (name) => ({ id: prefix + variableName(name, 'env') }),
    failure,
  })
}

function checkPrefix(value: unknown): string {
  const prefix = checkString(value, 'env.prefix')
  if (!/^[A-Za-z0-9_.]+$/.test(prefix)) throw invalidConfig('env.prefix', 'holds a character that a variable cannot have', 'A-Z, a-z, 0-9, "_" and "."')
  return prefix
}
