/** Graft: its wire over HTTP, and all that its client, a model behind it and the console of the server see. */
import { serveHttp, withSecrets, type GraftTool } from '../../../src/graft/index.js'
import type { Secrets } from '../../../src/index.js'
import { GraftClient, GraftHttp } from '../../servers/graft-client.js'
import { hearingAlone } from '../../graft/faults.js'
import { seenOf } from './canary.js'
import { allowTake, attackInPieces, attackOnce, by, inputOf, schemaOfPost, schemaOfTake, type Stage, type Tool } from './stage.js'

const token = 'not-a-real-token-0123456789'

const ways: Record<string, (value: string) => unknown> = {
  'an exception in a timer': (value) => void setTimeout(() => raise(value), 1),
  'a rejection that nobody handles': (value) => void Promise.reject(new Error(value, { cause: value })),
}

function raise(value: string): never {
  throw new Error(value)
}

export const graft: Stage = {
  framework: 'Graft',
  ways: Object.keys(ways),
  hasStreams: true,
  channels: ['wire', 'model'],
  // Of its input each call has one of its own.
  harmless: ['writes it into its input'],
  async run(attempt, secrets, isGuarded) {
    const seen: unknown[] = []
    const plain = toolOf(attempt)
    const tool = isGuarded ? withSecrets(plain, { secrets: secrets as Secrets<string>, allow: ['KEY'] }) : plain
    const server = await serveHttp([tool], { token, timeout: '5s', onFault: (error) => seen.push(error) })
    const transport = new GraftHttp(server.url.replace('http://', `http://graft:${token}@`))
    const client = new GraftClient(transport)
    const { receive } = transport
    transport.receive = (data) => {
      seen.push(by('wire', data))
      receive(data)
    }
    await client.initialize()
    const [found] = await client.asTools()
    await hearingAlone(async () => {
      seen.push(by('model', await found!.execute(inputOf()).catch((error: unknown) => error)))
      await new Promise((resolve) => void setTimeout(resolve, 10))
    })
    await server.close()
    return seen.map(seenOf).join('\n')
  },
  // The client has the model.
  async handOver({ take, post, undo }, secrets, isGuarded) {
    const tools = [
      { name: 'take', description: 'd', schema: schemaOfTake, execute: take },
      { name: 'post', description: 'd', schema: schemaOfPost, execute: post },
    ]
    const server = await serveHttp(isGuarded ? withSecrets(tools, { secrets: secrets as Secrets<string>, allow: allowTake }) : tools, { token })
    const client = new GraftClient(new GraftHttp(server.url.replace('http://', `http://graft:${token}@`)))
    await client.initialize()
    await client.execute('post', { text: undo(await client.execute('take', {})) })
    await server.close()
  },
}

function toolOf(attempt: Tool): GraftTool<Record<string, unknown>> {
  const fields = { name: 'search', description: 'Searches.', schema: { type: 'object', properties: { query: { type: 'string' } } } }
  if (attempt.attack.isStream === true) return { ...fields, execute: (input) => attackInPieces(attempt, { input, ways }) }
  return { ...fields, execute: async (input) => attackOnce(attempt, { input, ways }) }
}
