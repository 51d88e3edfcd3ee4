/** Framework by attack: a tool that is wrapped gives the key away to nobody; the same tool that is not does, or the case proves nothing. */
import { afterAll, describe, expect, it } from 'vitest'
import { getSecret } from '../../../src/agents/index.js'
import { createSecrets } from '../../../src/index.js'
import { attacks, network, pairOf, secondTool, uncontained, type Attack } from './attacks.js'
import { canary, findCanary, other, seenOf } from './canary.js'
import { aiSdk } from './ai-sdk.js'
import { graft } from './graft.js'
import { hatchet } from './hatchet.js'
import { langchain } from './langchain.js'
import { mastra } from './mastra.js'
import { mcpV1 } from './mcp-v1.js'
import { mcpV2 } from './mcp-v2.js'
import { openaiAgents } from './openai-agents.js'
import { tanstackAi, tanstackCodeMode } from './tanstack-ai.js'
import { trigger } from './trigger.js'
import { seenBy, wayOut, type Stage } from './stage.js'
import { Table } from './table.js'

const stages: readonly Stage[] = [langchain, aiSdk, openaiAgents, mcpV1, mcpV2, mastra, tanstackAi, tanstackCodeMode, graft, hatchet, trigger]

const table = new Table(stages.map(({ framework }) => framework))

afterAll(() => network.close())

/** What the process writes meanwhile, and its console, such as the log of a framework. What is returned ends it. */
function listenToOutput(): () => string {
  const told: unknown[] = []
  const end: (() => void)[] = []
  const listen = (owner: object, key: string): void => {
    const write = Reflect.get(owner, key) as (...values: unknown[]) => unknown
    Reflect.set(owner, key, (...values: unknown[]): unknown => {
      told.push(...values)
      return Reflect.apply(write, owner, values)
    })
    end.push(() => void Reflect.set(owner, key, write))
  }
  for (const stream of [process.stdout, process.stderr]) listen(stream, 'write')
  for (const method of ['debug', 'info', 'log', 'warn', 'error', 'trace', 'dir']) listen(console, method)
  return () => {
    for (const back of end) back()
    return told.map(seenOf).join('\n')
  }
}

const open = () => createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: canary, OTHER: other } }, secrets: { KEY: {}, OTHER: {} } })

const missing = stages.filter((stage) => stage.missing !== undefined)
it.each(missing.map(({ framework, missing: reason }) => [framework, reason] as const))('%s is not tried: %s', (_framework, reason) => {
  expect(reason).toContain(process.versions.node)
})

describe.each(stages.filter((stage) => stage.missing === undefined).map((stage) => [stage.framework, stage] as const))('%s', (framework, stage) => {
  const tried: readonly Attack[] = [...attacks.filter(({ isStream }) => isStream !== true || stage.hasStreams), ...stage.ways.map(wayOut)]

  it.each(tried.map((attack) => [attack.what, attack] as const))('%s', async (_what, attack) => {
    const secrets = open()
    const agent = secrets.scope({ agent: 'researcher', allow: ['KEY', 'OTHER'] })
    const isHarmless = stage.harmless?.includes(attack.what) === true
    let began = 0
    const tool = (read: () => Promise<string>) => ({ attack, read, began: () => void (began += 1) })
    const control = await stage.run(
      tool(() => secrets.getSecret('KEY')),
      agent,
      false,
    )
    const strangers = network.sent.splice(0).join()
    expect(findCanary(control + strangers) !== undefined, 'the control leaks').toBe(!isHarmless)
    const before = began
    const written = listenToOutput()
    const seen = await stage.run(
      tool(() => getSecret('KEY')),
      agent,
      true,
    )
    expect(findCanary(seen + written() + network.sent.splice(0).join())).toBeUndefined()
    expect(began, 'it read the key, as often as the control').toBe(2 * before)
    table.set(framework, attack.what, isHarmless ? 'leads nowhere' : 'contained')
    await secrets.close()
  })

  it('is looked at where a tool that is not wrapped is seen', async () => {
    const secrets = open()
    const agent = secrets.scope({ agent: 'researcher', allow: ['KEY'] })
    const isSeen = async (attack: Attack, channels: readonly string[]): Promise<void> => {
      const told = await stage.run({ attack, read: () => secrets.getSecret('KEY'), began: () => undefined }, agent, false)
      expect(channels.filter((channel) => findCanary(seenBy(channel, told)) === undefined)).toEqual([])
    }
    await isSeen(attacks[0]!, stage.channels)
    if (stage.channelsOfErrors !== undefined)
      await isSeen(
        attacks.find(({ what }) => what.startsWith('throws it, '))!,
        stage.channelsOfErrors,
      )
    await secrets.close()
  })

  it.each(uncontained.map((attack) => [attack.what, attack] as const))('%s: cannot be contained', async (_what, attack) => {
    const secrets = open()
    const agent = secrets.scope({ agent: 'researcher', allow: ['KEY'] })
    const seen = await stage.run({ attack, read: () => getSecret('KEY'), began: () => undefined }, agent, true)
    await attack.later?.()
    // Of all that is seen, which fills a screen, nothing is shown.
    expect(attack.isTold(seen + network.sent.splice(0).join(), canary)).toBe(true)
    table.set(framework, attack.what, '**leaks**')
    await secrets.close()
  })

  it(secondTool, async () => {
    const secrets = open()
    const agent = secrets.scope({ agent: 'researcher', allow: ['KEY'] })
    const sentBy = async (read: () => Promise<string>, isGuarded: boolean): Promise<readonly string[]> => {
      await stage.handOver(pairOf(read), agent, isGuarded)
      return network.sent.splice(0)
    }
    const control = await sentBy(() => secrets.getSecret('KEY'), false)
    expect([control.length, control.join().includes(canary)], 'the control leaks').toEqual([1, true])
    const sent = await sentBy(() => getSecret('KEY'), true)
    // It was handed what the first one told: the very same way.
    expect([sent.length, sent.join().includes('[secret KEY]'), findCanary(sent.join())]).toEqual([1, true, undefined])
    table.set(framework, secondTool, 'contained')
    await secrets.close()
  })

  it('asks for a secret that it was not granted', async () => {
    const secrets = open()
    const agent = secrets.scope({ agent: 'researcher', allow: ['KEY', 'OTHER'] })
    const attack: Attack = { what: '', run: (value) => value }
    const control = await stage.run({ attack, read: () => secrets.getSecret('OTHER'), began: () => undefined }, agent, false)
    expect(findCanary(control, other), 'the control leaks').toBeDefined()
    for (const read of [() => getSecret('OTHER'), () => secrets.getSecret('OTHER'), () => agent.getSecret('OTHER')]) {
      const seen = await stage.run({ attack, read, began: () => undefined }, agent, true)
      expect(findCanary(seen, other)).toBeUndefined()
      expect(seen).toMatch(/not granted/)
    }
    table.set(framework, 'asks for a secret that it was not granted', 'contained')
    await secrets.close()
  })
})

it.skipIf(missing.length > 0)('the table of docs/containment.md is what was found here', async () => {
  expect(await table.documented()).toBe(table.toString())
})
