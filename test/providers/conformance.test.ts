import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { dotenv } from '../../providers/dotenv/index.js'
import { env } from '../../providers/env/index.js'
import { memoryStore } from '../../providers/memory/index.js'
import type { ConformanceHarness } from '../../src/testing/index.js'
import { conforms } from './conforms.js'

/** Each failure that a backend can have is a case; these three have no service behind them. */
const skipsOf = (backend: string, names: readonly string[]): Record<string, string> => Object.fromEntries(names.map((name) => [name, `${backend} has no failure of this kind`]))
const outages = ['throttled', 'retry after', 'unavailable', 'unauthenticated', 'timeout']

async function memoryHarness(): Promise<ConformanceHarness> {
  const store = memoryStore({}, { pushes: true })
  return {
    provider: async () => store.factory,
    seed: async (secrets) => {
      for (const [id, value] of Object.entries(secrets)) store.set(id, value)
    },
    rotate: async (id, value) => void store.set(id, value),
    remove: async (id) => store.remove(id),
    skips: skipsOf('memory', [...outages, 'denied']),
    close: async () => undefined,
  }
}

async function envHarness(): Promise<ConformanceHarness> {
  const ids = new Set<string>()
  const set = (id: string, value: string): void => {
    ids.add(id)
    process.env[id] = value
  }
  return {
    provider: async () => env(),
    seed: async (secrets) => {
      for (const [id, value] of Object.entries(secrets)) set(id, value)
    },
    rotate: async (id, value) => set(id, value),
    remove: async (id) => void delete process.env[id],
    skips: skipsOf('env', [...outages, 'denied']),
    close: async () => {
      for (const id of ids) delete process.env[id]
    },
  }
}

async function dotenvHarness(): Promise<ConformanceHarness> {
  const directory = await mkdtemp(join(tmpdir(), 'keyward-dotenv-'))
  const secrets = new Map<string, string>()
  const save = async (): Promise<void> => {
    const lines = [...secrets].map(([id, value]) => {
      const quote = [`'`, '`'].find((candidate) => !value.includes(candidate))
      if (quote === undefined) throw new Error('a value with both quotes has no spelling in a dotenv file')
      return `${id}=${quote}${value}${quote}\n`
    })
    await writeFile(join(directory, '.env'), lines.join(''))
  }
  const set = async (values: Readonly<Record<string, string>>): Promise<void> => {
    for (const [id, value] of Object.entries(values)) secrets.set(id, value)
    await save()
  }
  return {
    provider: async () => dotenv({ directory, processEnv: 'never' }),
    seed: set,
    rotate: (id, value) => set({ [id]: value }),
    remove: async (id) => {
      secrets.delete(id)
      await save()
    },
    skips: { ...skipsOf('a file', outages), denied: 'a file is refused as a whole, and never to root' },
    close: () => rm(directory, { recursive: true, force: true }),
  }
}

/** What is optional, and `env` does not have. */
const readOnly = ['batch', 'lease', 'list abort', 'narrow expiry', 'watch', 'outage of other calls']

describe.each([
  ['memory', memoryHarness, [...outages, 'denied', 'batch', 'lease', 'narrow expiry', 'outage of other calls']],
  ['env', envHarness, [...outages, 'denied', ...readOnly]],
  ['dotenv', dotenvHarness, [...outages, 'denied', 'batch', 'lease', 'narrow expiry', 'outage of other calls']],
])('%s conforms', (_, createHarness, absent) => {
  conforms(createHarness, absent)
})
