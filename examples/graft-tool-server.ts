/** How does an agent of Graft, in Go, call a tool in TypeScript? `mcp.NewStdioTransport(exec.Command("node", "graft-tool-server.ts"))`, and then `client.AsTools(ctx)`. */
import { createSecrets } from 'keyward'
import { getSecret } from 'keyward/agents'
import { serveStdio, withSecrets } from 'keyward/graft'

const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { SEARCH_KEY: 'not-a-real-search-key' } } })
const searcher = secrets.scope({ agent: 'searcher', allow: ['SEARCH_KEY'] })

const search = {
  name: 'search',
  description: 'Searches the web.',
  schema: { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] },
  async execute({ query }: { query: string }) {
    // stdout is the protocol's: this goes to stderr.
    console.log(`searching for ${query}`)
    const key = await getSecret('SEARCH_KEY')
    if (query === 'fails') throw new Error(`401: the key ${key} is not valid`)
    return { query, results: ['one', 'two'] }
  },
}

// Until Graft ends stdin. Each call is answered, also where a tool hangs (after 60 s) or throws in a timer.
await serveStdio([withSecrets(search, { secrets: searcher, allow: ['SEARCH_KEY'] })], { name: 'search' })
await secrets.close()
