import { SecretsProvider } from '@aws-lambda-powertools/parameters/secrets'

export function open({ backend }) {
  const send = async ({ input }) => ({ SecretString: await backend(input.SecretId) })
  const client = { send, config: {}, middlewareStack: { identify: () => [], addRelativeTo() {}, add() {}, use() {} } }
  const provider = new SecretsProvider({ awsSdkV3Client: client })
  const options = { maxAge: 300 }
  return { read: (name) => provider.get(name, options) }
}
