/** How is a secret checked and typed as it is read? */
import { createSecrets, isSecretError } from 'keyward'
import { z } from 'zod'

const secrets = createSecrets({
  provider: {
    name: 'memory',
    secrets: {
      'database/main': JSON.stringify({ host: 'db.internal', port: 5432, password: 'not-a-real-password' }),
      'database/broken': JSON.stringify({ host: 'db.internal', port: 'not-a-real-port' }),
    },
  },
})

// Any Standard Schema will do: zod, valibot, ArkType.
const connection = z.object({ host: z.string(), port: z.number(), password: z.string() })

const { host, port } = await secrets.getSecret('database/main', { schema: connection })
console.log(`database/main: ${host}:${port}`)

// The issues of a schema may quote the value, so the error does not repeat them.
await secrets.getSecret('database/broken', { schema: connection }).catch((error: unknown) => {
  if (!isSecretError(error)) throw error
  console.log(`database/broken: ${error.code} [${error.reason}]`)
})
await secrets.close()
