/** Row F, one matcher: megabytes a second of a log in which nothing is found, in chunks of 64 KiB. */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { answer } from './peers.js'

const chunkSize = 65_536
const megabytes = 10
/** What is measured for less tells of the compiler: 7 rounds, which were 80 ms, gave 570 to 980 MB/s of the same matcher, process by process. */
const milliseconds = 1_500
const fewestRounds = 7

/** The same numbers each time. */
function createRandom(seed) {
  let state = seed
  return () => (state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff) / 0x7fff_ffff
}
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const words =
  'request completed user session handler timeout connecting to upstream with status error warning info debug cache miss for key retry attempt connection pool exhausted'.split(' ')

export const texts = { plain: 'a log', escaped: 'a log with an escape every 145 bytes' }

function createText(kind, random) {
  const word = () => words[Math.floor(random() * words.length)]
  const number = (below) => Math.floor(random() * below)
  const key = () => Array.from({ length: 12 }, () => letters[number(62)]).join('')
  const query = () => (kind === 'plain' ? `?page=${number(9)}` : `?page=${number(9)}&q=${word()}%20${word()}`)
  const line = [
    () => `2026-11-24T10:${number(60)}:00.123Z INFO [http] GET /api/v1/${word()}/${number(1_000_000)}${query()} 200 ${number(999)}ms`,
    () => `{"level":30,"time":17${number(1e11)},"msg":"${word()} ${word()} ${word()} ${word()}","reqId":"${key()}","path":"/x/${word()}"}`,
    () => `2026-11-24 10:00:01,123 WARN  com.example.${word()} - ${word()} ${word()} ${word()} ${word()} (attempt ${number(9)})`,
  ]
  const lines = []
  for (let size = 0; size < megabytes * 1_000_000;) {
    const one = line[number(3)]()
    lines.push(one)
    size += one.length + 1
  }
  return Buffer.from(lines.join('\n'))
}

function createValues(count, random) {
  return Array.from({ length: count }, () => Array.from({ length: 20 + Math.floor(random() * 21) }, () => letters[Math.floor(random() * 62)]).join(''))
}

const escapedForExpression = (text) => text.replaceAll(/[$()*+./?[\\\]^{|}]/g, '\\$&')

/** By matcher: what a chunk is given to. Those of others look for the values as they stand, and for no other form. */
export const matchers = {
  'keyward-stream': { label: 'keyward, `redactStream` of bytes, every form', make: makeStream },
  'keyward-text': { label: 'keyward, `redactText`, every form', make: makeText },
  expression: {
    label: 'one RegExp, `replace`',
    make: async (values) => replacing((text) => text.replace(new RegExp(values.map(escapedForExpression).join('|'), 'g'), '[secret]')),
  },
  loop: {
    label: '`replaceAll` for each value',
    make: async (values) =>
      replacing((text) => {
        for (const value of values) text = text.replaceAll(value, '[secret]')
        return text
      }),
  },
  'modern-ahocorasick': {
    label: 'modern-ahocorasick, `search`',
    async make(values) {
      const { default: AhoCorasick } = await import('modern-ahocorasick')
      const automaton = new AhoCorasick(values)
      return replacing((text) => (automaton.search(text), text))
    },
  },
  '@monyone/aho-corasick': {
    label: '@monyone/aho-corasick/fast, `matchInText`',
    async make(values) {
      const { AhoCorasick } = await import('@monyone/aho-corasick/fast')
      const automaton = new AhoCorasick(values)
      return replacing((text) => (automaton.matchInText(text), text))
    },
  },
  fastscan: {
    label: 'fastscan, `search`',
    async make(values) {
      const { default: AhoCorasick } = await import('fastscan')
      const Scanner = AhoCorasick.default ?? AhoCorasick
      const automaton = new Scanner(values)
      return replacing((text) => (automaton.search(text), text))
    },
  },
}

const replacing = (replace) => async (chunks) => {
  let length = 0
  for (const { text } of chunks) length += replace(text).length
  return length
}

async function open(values, installed) {
  const { createSecrets } = await import(pathToFileURL(join(installed, 'node_modules/keyward/dist/index.js')).href)
  const redaction = await import(pathToFileURL(join(installed, 'node_modules/keyward/dist/redaction/index.js')).href)
  const secrets = createSecrets({ provider: 'memory' })
  for (const [index, value] of values.entries()) redaction.conceal(secrets, value, `SECRET_${index}`)
  return { secrets, ...redaction }
}

async function makeStream(values, installed) {
  const { secrets, redactStream } = await open(values, installed)
  return async (chunks) => {
    const source = new ReadableStream({
      start(controller) {
        for (const { bytes } of chunks) controller.enqueue(bytes)
        controller.close()
      },
    })
    let length = 0
    for await (const piece of source.pipeThrough(redactStream(secrets))) length += piece.length
    return length
  }
}

async function makeText(values, installed) {
  const { secrets, redactText } = await open(values, installed)
  return replacing((text) => redactText(secrets, text))
}

if (process.argv[1]?.endsWith('redaction.js')) {
  const [name, count, kind, installed, given] = process.argv.slice(2)
  const random = createRandom(7)
  const text = createText(kind, random)
  const run = await matchers[name].make(createValues(Number(count), random), installed)
  const chunks = []
  for (let at = 0; at < text.length; at += chunkSize) {
    const bytes = text.subarray(at, at + chunkSize)
    chunks.push({ bytes, text: bytes.toString('latin1') })
  }
  const figures = []
  const began = performance.now()
  while (figures.length < fewestRounds || performance.now() - began < Number(given ?? milliseconds)) {
    const since = performance.now()
    const length = await run(chunks)
    figures.push(text.length / 1_000 / (performance.now() - since))
    if (length !== text.length) throw new Error(`${name} changed a text in which nothing is to be found`)
    // A slow one is measured once.
    if (figures[0] < 20) break
  }
  answer({ speed: figures.toSorted((left, right) => right - left)[Math.floor((figures.length - 1) / 2)] })
}
