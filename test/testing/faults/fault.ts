/** A provider that is wrong in one way, and the case of the kit that has to find it. */
import { SecretError, type SecretProvider } from '../../../src/provider.js'
import type { PartChange } from '../../providers/scriptable/harness.js'

export type Fault = readonly [caseName: string, fault: string, change: PartChange, says: RegExp]
export type Sound = Required<SecretProvider>

/** Batches as `change` makes of how the sound one does. */
export const batching =
  (change: (sound: Sound) => Partial<Sound['batch']>): PartChange =>
  (sound) => ({ ...sound, batch: { ...sound.batch, ...change(sound) } })
export const listing =
  (list: (sound: Sound, ...values: Parameters<Sound['list']>) => ReturnType<Sound['list']>): PartChange =>
  (sound) => ({ ...sound, list: (prefix, context) => list(sound, prefix, context) })
/** What is missing is told as something else. */
export const notFoundIs =
  (code: 'unavailable' | 'denied', method: 'delete' | 'describe'): PartChange =>
  (sound) => ({
    ...sound,
    [method]: async (...values: Parameters<Sound['describe']>) => {
      try {
        return await sound[method](...values)
      } catch (error) {
        throw sound.failure(error)?.code === 'not-found' ? new SecretError({ code }) : error
      }
    },
  })
/** A failure in an outage is told as done. */
export const deaf =
  (method: 'put' | 'delete' | 'describe' | 'check', answer: unknown): PartChange =>
  (sound) => ({
    ...sound,
    [method]: async (...values: never[]) => {
      try {
        return await Reflect.apply(sound[method], sound, values)
      } catch (error) {
        const code = sound.failure(error)?.code
        if (code === 'unavailable' || code === 'unauthenticated' || code === 'throttled') return answer
        throw error
      }
    },
  })

/** What fails is taken for what is not there. */
export async function* endsQuietly(sound: Sound, ...values: Parameters<Sound['list']>): ReturnType<Sound['list']> {
  try {
    for await (const item of sound.list(...values)) yield item
  } catch {
    // As if that were all.
  }
}

/** Yields the value where it is not looked for. */
export async function* withTexts(sound: Sound, ...values: Parameters<Sound['list']>): ReturnType<Sound['list']> {
  for await (const item of sound.list(...values)) yield { ...item, contentType: JSON.stringify((await sound.get({ id: item.id }, values[1])).value) }
}
