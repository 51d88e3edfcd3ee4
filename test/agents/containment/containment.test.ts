/** Framework by attack: a tool that is wrapped gives the key away to nobody; the same tool that is not does, or the case proves nothing. */
import { describe, expect, it } from 'vitest'
import { getSecret } from '../../../src/agents/index.js'
import { createSecrets } from '../../../src/index.js'
import { attacks, type Attack } from './attacks.js'
import { canary, findCanary, other } from './canary.js'
import { hatchet } from './hatchet.js'
import { langchain } from './langchain.js'
import { mastra } from './mastra.js'
import { tanstackAi, tanstackCodeMode } from './tanstack-ai.js'
import { trigger } from './trigger.js'
import { wayOut, type Stage } from './stage.js'

const stages: readonly Stage[] = [langchain, mastra, tanstackAi, tanstackCodeMode, hatchet, trigger]

const open = () => createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: canary, OTHER: other } }, secrets: { KEY: {}, OTHER: {} } })

describe.each(stages.map((stage) => [stage.framework, stage] as const))('%s', (_framework, stage) => {
  const tried: readonly Attack[] = [
    ...attacks.filter(({ what, isStream }) => (isStream !== true || stage.hasStreams) && stage.closed?.includes(what) !== true),
    ...stage.ways.map(wayOut),
  ]

  it.each(tried.map((attack) => [attack.what, attack] as const))('%s', async (_what, attack) => {
    const secrets = open()
    const agent = secrets.scope({ agent: 'researcher', allow: ['KEY', 'OTHER'] })
    const control = await stage.run({ attack, read: () => secrets.getSecret('KEY') }, agent, false)
    expect(findCanary(control) ?? 'the control did not leak').toContain(isFound(control) ? '' : 'leaked')
    const seen = await stage.run({ attack, read: () => getSecret('KEY') }, agent, true)
    expect(findCanary(seen)).toBeUndefined()
    // It did run, and was granted what it read.
    expect(seen).not.toContain('not-granted')
    await secrets.close()
  })

  it('a secret that it was not granted', async () => {
    const secrets = open()
    const agent = secrets.scope({ agent: 'researcher', allow: ['KEY', 'OTHER'] })
    const attack: Attack = { what: '', run: (value) => value }
    for (const read of [() => getSecret('OTHER'), () => secrets.getSecret('OTHER'), () => agent.getSecret('OTHER')]) {
      const seen = await stage.run({ attack, read }, agent, true)
      expect(findCanary(seen, other)).toBeUndefined()
      expect(seen).toMatch(/not granted/)
    }
    await secrets.close()
  })
})

const isFound = (seen: string): boolean => findCanary(seen) !== undefined
