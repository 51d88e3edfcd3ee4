/** A middleware reads what it was made for, so each name has one; to fill many at once, one is made for all of them. */
import secretsManager from '@middy/secrets-manager'

// Its cache is one for the process.
let made = 0

export function open({ backend }) {
  class Client {
    async send({ input }) {
      return { SecretString: await backend(input.SecretId) }
    }
  }
  const create = (fetchData) => {
    made += 1
    return secretsManager({ AwsClient: Client, disablePrefetch: true, cacheExpiry: 300_000, setToContext: true, cacheKey: `bench ${made}`, fetchData })
  }
  const middlewares = new Map()
  const middlewareOf = (name) => {
    const known = middlewares.get(name)
    if (known !== undefined) return known
    const created = create({ secret: name })
    middlewares.set(name, created)
    return created
  }
  const readInto = (request, name) => middlewareOf(name).before(request)
  return {
    read: (name) => readInto({ internal: {}, context: {} }, name),
    readValue: async (name) => {
      const request = { internal: {}, context: {} }
      await readInto(request, name)
      return request.context.secret
    },
    fill: async (names) => {
      const middleware = create(Object.fromEntries(names.map((name) => [name, name])))
      await middleware.before({ internal: {}, context: {} })
      return middleware
    },
  }
}
