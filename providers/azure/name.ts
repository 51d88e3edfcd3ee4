/** Names of Key Vault: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers. They have no case. */
import { SecretError } from '../../src/errors/secret-error.js'

const legal = /^[0-9A-Za-z-]{1,127}$/

/** @throws SecretError `unsupported` before anything is sent. */
export function checkId(id: string): string {
  if (legal.test(id)) return id
  throw new SecretError({
    code: 'unsupported',
    reason: 'name',
    fix: 'Key Vault names secrets with letters, digits and dashes alone, up to 127: say in `references` what it is called there, or give that name',
  })
}

/** Versions have 32 hexadecimal digits. */
export const isVersion = (version: string): boolean => /^[0-9a-f]{32}$/i.test(version)

/** Where a name lives that has no reference: `_` and `/` become dashes. */
export const idOf = (name: string): string => checkId(name.replace(/[_/]/g, '-'))
