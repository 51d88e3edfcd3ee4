import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Collects garbage until `isDone`, or for long enough. */
export async function collectUntil(isDone: () => boolean, rounds = 100): Promise<void> {
  for (let round = 0; round < rounds && !isDone(); round++) {
    collect()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
