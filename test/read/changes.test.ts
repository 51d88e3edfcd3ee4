import { expect, it } from 'vitest'
import { Home } from '../../src/access/ambient.js'
import type { SecretProvider } from '../../src/provider.js'
import { Changes } from '../../src/read/changes.js'
import { ProviderInstance } from '../../src/read/instance.js'

it('what is pushed concerns the identities of agents that have not ended, and no others', () => {
  const marked: [space: number, id: string | undefined][] = []
  const heard: number[] = []
  let push = (_id: string): void => undefined
  const identity: SecretProvider = { name: 'own', get: async () => ({ value: 'canary' }), failure: () => undefined }
  const provider: SecretProvider = { ...identity, watch: (changed) => ((push = changed), () => undefined) }
  const home = new Home()
  const changes = new Changes(
    (space, id) => marked.push([space, id]),
    () => undefined,
    home,
  )
  const base = new ProviderInstance(1, 'own', provider, home)
  const agents = [2, 3].map((number) => new ProviderInstance(number, 'own', identity, home, base))
  for (const agent of agents) changes.follow(agent, identity)
  for (const { number } of agents) changes.listen(number, 'A', () => heard.push(number))
  push('A')
  expect([marked, heard]).toEqual([
    [
      [1, 'A'],
      [2, 'A'],
      [3, 'A'],
    ],
    [2, 3],
  ])
  marked.length = 0
  heard.length = 0
  changes.end(agents[0]!)
  push('A')
  expect([marked, heard]).toEqual([
    [
      [1, 'A'],
      [3, 'A'],
    ],
    [3],
  ])
})
