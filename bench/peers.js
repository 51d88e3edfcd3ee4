/** Whom keyward is measured against, and how it is set up itself. Each runs in a process of its own. `rows`: those that it is in, where not in all. */
export const unit = 'map'

export const peers = {
  map: { label: 'Map of promises, awaited', module: 'map' },
  'map-pinned': { label: 'the same, `constructor` pinned', module: 'map', isPinned: true },
  keyward: { label: 'keyward', module: 'keyward' },
  'keyward-scope': { label: 'keyward, through a scope', module: 'keyward', hasScope: true },
  'keyward-sink': { label: 'keyward, with an audit sink', module: 'keyward', hasSink: true },
  'keyward-scope-sink': { label: 'keyward, through a scope with an audit sink', module: 'keyward', hasScope: true, hasSink: true },
  'map-context': { label: 'the Map, inside an `AsyncLocalStorage`', module: 'map', hasContext: true, rows: ['A'] },
  'keyward-tool': { label: 'keyward, inside a tool', module: 'keyward', hasScope: true, place: 'inside', rows: ['A'] },
  'keyward-tool-sink': { label: 'keyward, inside a tool with an audit sink', module: 'keyward', hasScope: true, hasSink: true, place: 'inside', rows: ['A'] },
  'keyward-after-tool': { label: 'keyward, through a scope after a tool has run', module: 'keyward', hasScope: true, place: 'after', rows: ['A'] },
  'powertools-parameters': { label: '@aws-lambda-powertools/parameters', module: 'powertools-parameters' },
  'middy-secrets-manager': { label: '@middy/secrets-manager', module: 'middy-secrets-manager' },
  'lru-cache': { label: 'lru-cache `.fetch`', module: 'lru-cache' },
  memoizee: { label: 'memoizee, promise, maxAge', module: 'memoizee' },
  'async-cache-dedupe': { label: 'async-cache-dedupe', module: 'async-cache-dedupe' },
  dataloader: { label: 'dataloader (no time to live)', module: 'dataloader' },
}

/** Opens the peer that the command line names, on a backend. */
export async function openPeer(backend) {
  const [key, installed] = process.argv.slice(2)
  const { module, ...settings } = peers[key]
  const { open } = await import(`./peers/${module}.js`)
  return await open({ backend, installed, ...settings })
}

/** A child's answer is the last line that it prints; it ends there, whatever timers a peer holds. */
export function answer(figures) {
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0))
}
