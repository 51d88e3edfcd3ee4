/** Run as a process of its own: writes to the dotenv files of a directory. Parameters: what to do, the directory, a prefix, how often. */
import { dotenv } from '../../providers/dotenv/index.js'
import { systemClock } from '../../src/clock.js'
import { createSecrets } from '../../src/index.js'

const [task, directory = '', prefix = '', count = '0'] = process.argv.slice(2)
const secrets = createSecrets<string>({ provider: dotenv({ directory, processEnv: 'never' }), timeout: '60s' })
const numbers = Array.from({ length: Number(count) }, (_, index) => index)

switch (task) {
  case 'names':
    // Half of them at once, half one after the other.
    await Promise.all(numbers.filter((number) => number % 2 === 0).map((number) => secrets.putSecret(`${prefix}_${number}`, `${prefix} ${number}`)))
    for (const number of numbers.filter((number) => number % 2 === 1)) await secrets.putSecret(`${prefix}_${number}`, `${prefix} ${number}`)
    break
  // By the provider itself: the core asks for `fresh` once a second.
  case 'counter': {
    const provider = await dotenv({ directory, processEnv: 'never' })({
      environment: undefined,
      directory,
      clock: systemClock,
      warn: () => undefined,
      conceal: () => undefined,
      login: () => undefined,
    })
    const context = { signal: AbortSignal.timeout(60_000), timeout: 60_000 }
    for (let done = 0; done < numbers.length;) {
      const { value, version = '' } = await provider.get({ id: prefix }, context)
      const put = provider.put?.({ id: prefix }, { value: String(Number(value) + 1), ifVersion: version }, context)
      done += await Promise.resolve(put).then(
        () => 1,
        (error: { code?: unknown }) => {
          if (error.code !== 'conflict') throw error
          return 0
        },
      )
    }
    break
  }
  case 'forever':
    for (let number = 0; ; number++) {
      await secrets.putSecret('COUNTED', `${prefix} ${number} ${'x'.repeat((number * 7919) % 20_000)} ${number}`)
      process.stdout.write(`${number}\n`)
    }
  // Alive for as long as something keeps it so: a read, and the watch that the first one begins.
  case 'watch': {
    await secrets.getSecret(prefix)
    void (async () => {
      for await (const _ of secrets.watchSecret(prefix)) continue
    })()
    await new Promise((resolve) => void setTimeout(resolve, 100))
    break
  }
  case undefined:
  default:
    throw new Error(`no task ${task}`)
}
