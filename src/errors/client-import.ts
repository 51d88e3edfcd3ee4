/** What it means that the package behind a provider could not be imported. */
import { createError, type SecretError } from './secret-error.js'

/**
 * The error for a client that did not load. Only where the client's own name could not be resolved is it missing; where it is there and fails,
 * installing it again would be no fix.
 * @param error What `import()` threw; nothing of it is kept.
 * @param client The package's name.
 */
export function clientImportError(error: unknown, client: string): SecretError {
  const text = isMissing(error, client)
    ? `the package "${client}" is not installed. Run \`npm install ${client}\``
    : `the package "${client}" is installed but does not load. Import it by itself to see why; a bundle of CommonJS clients may need a banner (see the README), or may have to leave it external`
  return createError({ code: 'invalid-config', fix: text }, { message: `keyward: ${text}.` })
}

function isMissing(error: unknown, client: string): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, specifier, message } = error as { code?: unknown; specifier?: unknown; message?: unknown }
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return false
  // Bun tells the specifier; Node and Deno name it in quotes in the message alone, where the module of a client that lacks one of its own is named as well.
  if (typeof specifier === 'string') return specifier === client
  return typeof message === 'string' && new RegExp(`^[^'"]*['"]${client.replace(/[^\w@/-]/g, '\\$&')}['"]`).test(message)
}
