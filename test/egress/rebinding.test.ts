/** Names whose answers change between two questions: what a name leads to is checked where the connection is made. */
import { describe, expect, it, vi } from 'vitest'

type Answer = readonly { readonly address: string; readonly family: number }[]
const names = vi.hoisted(() => ({ answers: [] as Answer[], asked: [] as string[] }))
vi.mock('node:dns', async (load) => {
  const actual = await load<typeof import('node:dns')>()
  const lookup = (hostname: string, _options: unknown, callback: (error: null, found: Answer) => void): void => {
    names.asked.push(hostname)
    const next = names.answers.length > 1 ? names.answers.shift()! : names.answers[0]!
    setImmediate(callback, null, next)
  }
  return { ...actual, lookup }
})

const { errorOf } = await import('../access/backend.js')
const { open, serve } = await import('./serve.js')

const local = { address: '127.0.0.1', family: 4 }
const far = { address: '93.184.215.14', family: 4 }

describe('a name that leads', () => {
  it.each<[string, Answer]>([
    ['to this machine', [local]],
    ['to the metadata of a cloud', [{ address: '169.254.169.254', family: 4 }]],
    ['to the internet and to this machine as well', [far, local]],
    ['to an address of IPv6 that stands for one of IPv4', [{ address: '::ffff:127.0.0.1', family: 6 }]],
    ['to one of its link', [{ address: 'fe80::1%eth0', family: 6 }]],
    ['nowhere', []],
    ['to what is no address', [{ address: 'localhost', family: 4 }]],
  ])('%s is refused, and nothing is read', async (_where, found) => {
    names.answers = [found]
    const { fetch, backend } = open('https://rebind.example', { allowLoopbackHttp: false })
    expect(await errorOf(fetch('https://rebind.example/'))).toMatchObject({ code: 'denied', reason: 'private-address' })
    expect(backend.requests).toEqual([])
  })

  it('to the internet when it is asked, and to this machine afterwards, is connected to where it was checked, and never here', async () => {
    names.answers = [[{ address: '127.0.0.1', family: 4 }]]
    const server = await serve()
    const url = `http://localhost:${server.port}`
    // A host of this machine, whose second answer is another machine.
    names.answers = [[local], [far]]
    names.asked.length = 0
    const { fetch, backend } = open(url)
    expect(await (await fetch(url)).text()).toBe('ok')
    // The connection was led where the check was: its own look-up is not another question.
    expect(names.asked).toEqual(['localhost'])
    // A connection that is kept was checked. A new one is checked anew.
    expect(await (await fetch(url)).text()).toBe('ok')
    expect(names.asked).toEqual(['localhost'])
    for (const socket of server.sockets) socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(await errorOf(fetch(url))).toMatchObject({ code: 'denied', reason: 'private-address' })
    expect([names.asked.length, server.seen.length, backend.requests.length]).toEqual([2, 2, 1])
  })

  it('elsewhere when the only connection that was kept is taken by another request is refused where it would connect', async () => {
    const server = await serve((_request, response) => void setTimeout(() => response.end('ok'), 20))
    const url = `http://localhost:${server.port}`
    names.answers = [[local], [far]]
    const { fetch } = open(url)
    await (await fetch(url)).text()
    // Both see the connection that waits, and one of them gets it.
    const outcomes = await Promise.allSettled([fetch(url), fetch(url)])
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'denied', reason: 'private-address' } })
    expect(server.seen.length).toBe(2)
  })

  it('elsewhere when a connection that was kept turns out to have ended is refused as well', async () => {
    const server = await serve((request, response) => {
      if (request.path === '/end') response.socket?.resetAndDestroy()
      else response.end('ok')
    })
    const url = `http://localhost:${server.port}`
    names.answers = [[local], [far]]
    const { fetch } = open(url)
    expect(await (await fetch(url)).text()).toBe('ok')
    // Sent on the connection that was kept, ended by the server, and begun anew with another look-up.
    expect(await errorOf(fetch(`${url}/end`))).toMatchObject({ code: 'denied', reason: 'private-address' })
  })
})
