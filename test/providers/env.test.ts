import { describe, expect, expectTypeOf, it } from 'vitest'
import { env, type EnvOptions } from '../../providers/env/index.js'
import type { BuiltInProviders } from '../../src/registry.js'
import { make, read, withVariables } from './setup.js'

describe('env', () => {
  it('has the options that the registry spells out', () => {
    expectTypeOf<EnvOptions>().toEqualTypeOf<BuiltInProviders['env']>()
  })

  it('reads the variable at each call', async () => {
    const provider = await make(env())
    expect(provider.name).toBe('env')
    await withVariables({ KEYWARD_TEST: 'one' }, async () => {
      expect(await read(provider, 'KEYWARD_TEST')).toBe('one')
      process.env['KEYWARD_TEST'] = ''
      expect(await read(provider, 'KEYWARD_TEST')).toBe('')
      delete process.env['KEYWARD_TEST']
      await expect(read(provider, 'KEYWARD_TEST')).rejects.toMatchObject({
        code: 'not-found',
        reason: undefined,
        message: expect.stringContaining('environment variable KEYWARD_TEST'),
      })
    })
  })

  it('knows no inherited names, and takes own ones', async () => {
    const provider = await make(env())
    for (const id of ['constructor', '__proto__', 'hasOwnProperty']) await expect(read(provider, id)).rejects.toMatchObject({ code: 'not-found' })
    await withVariables({ constructor: 'own' }, async () => {
      expect(await read(provider, 'constructor')).toBe('own')
    })
  })

  it('takes no spelling that the system would cut short', async () => {
    const provider = await make(env())
    await withVariables({ KEYWARD_TEST: 'a=b' }, async () => {
      for (const id of ['KEYWARD_TEST\0x', 'KEYWARD_TEST=a', 'KEYWARD_TEST=', '']) await expect(read(provider, id)).rejects.toMatchObject({ code: 'not-found' })
    })
  })

  it('maps "/" and "-", keeps case, and prepends the prefix', async () => {
    const plain = await make(env())
    expect(plain.locate?.('search/api-Key.v1')).toEqual({ id: 'search_api_Key.v1' })
    const prefixed = await make(env({ prefix: 'AGENT_' }))
    expect(prefixed.locate?.('search/key')).toEqual({ id: 'AGENT_search_key' })
    await withVariables({ AGENT_search_key: 'value', search_key: 'other' }, async () => {
      expect(await read(prefixed, 'AGENT_search_key')).toBe('value')
      // A reference gives the whole variable.
      expect(await read(prefixed, 'search_key')).toBe('other')
    })
    for (const name of ['a b', 'a:b', 'é', 'a=b', 'a\0', '']) {
      expect(() => plain.locate?.(name)).toThrow(expect.objectContaining({ code: 'unsupported', message: expect.stringContaining('`references`') }))
    }
  })

  it('refuses what is no option', () => {
    expect(() => env({ prefx: 'A' } as never)).toThrow(/env\.prefx is not an option; did you mean "prefix"/)
    expect(() => env({ prefix: 5 } as never)).toThrow(/env\.prefix is not a string/)
    expect(() => env({ prefix: 'A=' })).toThrow(/env\.prefix holds a character/)
    expect(() => env('x' as never)).toThrow(/env is not an object/)
  })

  it('knows the missing permission of Deno by name', async () => {
    const provider = await make(env())
    expect(provider.failure(Object.assign(new Error('x'), { name: 'NotCapable' }))).toMatchObject({ code: 'denied', fix: expect.stringContaining('--allow-env') })
    expect(provider.failure(new Error('NotCapable'))).toBeUndefined()
    expect(provider.failure(null)).toBeUndefined()
  })
})
