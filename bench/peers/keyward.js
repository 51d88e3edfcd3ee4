/** The built package, as a user has it: `installed` is a folder of its own, without what only this repository has installed. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export async function open({ backend, installed, hasScope = false, hasSink = false }) {
  const { createSecrets } = await import(pathToFileURL(join(installed, 'node_modules/keyward/dist/index.js')).href)
  const events = { count: 0, newest: undefined }
  const sink = (event) => {
    events.count += 1
    events.newest = event
  }
  const secrets = createSecrets({
    provider: { name: 'fake', get: async ({ id }) => ({ value: await backend(id) }), failure: () => undefined },
    cache: { maxEntries: 200_000 },
    ...(hasSink ? { audit: sink } : {}),
  })
  const view = hasScope ? secrets.scope({ agent: 'bench', allow: ['bench/*'] }) : secrets
  return { read: view.getSecret, events }
}
