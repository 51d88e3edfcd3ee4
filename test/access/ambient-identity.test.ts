import { expect, it } from 'vitest'
import { createSecrets } from '../../src/index.js'
import { createFakeClock } from '../../src/testing/index.js'
import { callTool } from '../agents/call-tool.js'
import { createScriptable } from '../providers/scriptable/index.js'

it('a view that names no agent uses the identity and the leases of the agent whose tool reads through it', async () => {
  const clock = createFakeClock()
  const scriptable = createScriptable({ clock })
  scriptable.put('dynamic/db', (count, agent) => `${agent ?? 'nobody'}-${count}`)
  const secrets = createSecrets<string>({ provider: scriptable.factory, clock })
  const shared = secrets.scope({ allow: ['dynamic/*'] })
  const agents = ['a', 'b'].map((agent) => secrets.scope({ agent, allow: ['dynamic/*'] }))
  const read = (index: number): Promise<string> => callTool(agents[index]!, { tool: 'query', allow: ['dynamic/db'] }, () => shared.getSecret('dynamic/db'))
  expect([await read(0), await read(1), await read(0)]).toEqual(['a-1', 'b-2', 'a-1'])
  expect(scriptable.count({ kind: 'get', agent: 'a' })).toBe(1)
  await agents[0]!.revoke()
  expect(scriptable.leases.length).toBe(1)
  await secrets.close()
  expect(scriptable.leases.length).toBe(0)
})
