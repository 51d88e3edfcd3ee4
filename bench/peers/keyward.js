/**
 * The built package, as a user has it: `installed` is a folder of its own, without what only this repository has installed. For a tool, the same sources with
 * the seam that an adapter opens one by.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export async function open({ backend, installed, hasScope = false, hasSink = false, place }) {
  const path = place === undefined ? 'node_modules/keyward/dist/index.js' : 'with-seam.js'
  const { createSecrets, prepareTool, runAt } = await import(pathToFileURL(join(installed, path)).href)
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
  const inTool = (run) => runAt(prepareTool(view, { tool: 'bench', allow: ['bench/*'] })().place, run)
  if (place === 'after') inTool(() => undefined)
  return { read: view.getSecret, events, ...(place === 'inside' ? { within: inTool } : {}) }
}
