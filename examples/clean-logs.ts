/** How does a key stay out of what is logged? */
import { createSecrets } from 'keyward'
import { redactConsole, redactValue } from 'keyward/redaction'

const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { OPENAI_API_KEY: 'not-a-real-openai-key' } } })
const key = await secrets.getSecret('OPENAI_API_KEY')

class ApiError extends Error {
  readonly request: { headers: Record<string, string> }
  constructor(request: { headers: Record<string, string> }) {
    super(`401 for ${request.headers['authorization']}`)
    this.request = request
  }
}
const error = new ApiError({ headers: { authorization: `Bearer ${key}` } })

// For a logger of your own: a clean copy, of the same class.
const clean = redactValue(secrets, error) as ApiError
process.stdout.write(`${clean.constructor.name}: ${clean.message}\n`)

// For a console: everything that it is given from here on. pino and winston have redactPino and redactWinston.
const restore = redactConsole(secrets)
console.log('sent', { url: `https://api.example.com/?key=${encodeURIComponent(key)}`, basic: btoa(`user:${key}`) })
restore()
await secrets.close()
