/** Run as a process of its own: leaves rejections unheard and prints what it holds. */
import { inspect } from 'node:util'
import { createSecrets } from '../../src/index.js'

const value = process.env['CANARY'] ?? ''
const get = async ({ id }: { id: string }): Promise<{ value: string }> => {
  if (id === 'raw') throw Object.assign(new Error(value, { cause: value }), { body: value })
  if (id === 'hang') return await new Promise(() => {})
  return { value: `{"a":"${value}"}` }
}
const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined }, retry: false, timeout: '50ms' })
const scope = secrets.scope({ agent: 'agent', allow: ['S', 'raw', 'hang'] })

void scope.getSecret('raw')
void scope.getSecret('other' as never)
void scope.getSecret('S', { field: 'b' })
void scope.getSecret('S', { field: 'a', as: 'json' })
void scope.getSecret('hang')
void scope.getSecrets(['S', 'raw'])
void scope.useSecret('raw', () => 1)
void scope.describeSecret('raw')
void scope.getSecret('S', { schema: { '~standard': { version: 1, vendor: 'own', validate: () => ({ issues: [{ message: value }] }) } } })
void scope.getSecret('S', { schema: { '~standard': { version: 1, vendor: 'own', validate: async () => Promise.reject(new Error(value)) } } })

const read = scope.getSecret('S')
const many = scope.getSecrets(['S'])
await Promise.all([read, many])
console.log(read, many, secrets, scope, await scope.getSecret('S', { as: 'redacted' }), { nested: { read, redacted: await scope.getSecret('S', { as: 'redacted' }) } })
console.error(inspect([read, many, scope], { depth: 10, showHidden: true }), JSON.stringify({ read, scope, redacted: await scope.getSecret('S', { as: 'redacted' }) }))
await new Promise((resolve) => setTimeout(resolve, 150))
await secrets.close()
console.log('done')
