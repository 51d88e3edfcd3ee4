import { expect, test } from 'vitest'
import { inspect } from 'node:util'
import { createSecrets, isSecretError } from '../../src/index.js'
test('reads', async () => {
  let calls = 0
  const events: unknown[] = []
  const own = {
    name: 'own',
    get: async ({ id }: { id: string }) => {
      calls++
      return { value: `v-${id}`, version: '1' }
    },
    failure: () => undefined,
  }
  const secrets = createSecrets<string>({ provider: own, audit: (event) => void events.push(event) })
  expect(await secrets.getSecret('A')).toBe('v-A')
  expect(await secrets.getSecret('A')).toBe('v-A')
  expect(calls).toBe(1)
  const scope = secrets.scope({ agent: 'r', allow: ['B', 's/*'] })
  expect(inspect(scope.getSecret('B'))).toBe('[secret B]')
  await expect(scope.getSecret('A' as never)).rejects.toMatchObject({ code: 'denied', deniedBy: 'scope' })
  expect(await secrets.getSecrets(['A', 'C'])).toEqual({ A: 'v-A', C: 'v-C' })
  await scope.revoke()
  await expect(scope.getSecret('B')).rejects.toSatisfy((error) => isSecretError(error, 'denied'))
  expect(await secrets.describeSecret('A')).toMatchObject({ name: 'A', version: '1' })
  let tries = 0
  expect(
    await secrets.useSecret('A', async (value) => {
      if (tries++ === 0) throw Object.assign(new Error('x'), { status: 401 })
      return value.length
    }),
  ).toBe(3)
  console.log(events)
  await secrets.close()
  await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'closed' })
})
