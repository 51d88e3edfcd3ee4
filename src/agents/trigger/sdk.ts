/** What of Trigger.dev's SDK is used here: of all its copies. */
import { copiesOf } from '../copies.js'

export interface Sdk {
  readonly metadata?: { readonly parent?: unknown; readonly root?: unknown }
  readonly retry?: object
  readonly AbortTaskRunError?: unknown
  readonly CompleteTaskWithOutput?: unknown
  readonly OutOfMemoryError?: unknown
}

export const sdks = copiesOf<Sdk>(['@trigger.dev/sdk'], async () => {
  try {
    const { AbortTaskRunError, CompleteTaskWithOutput, metadata, OutOfMemoryError, retry } = await import('@trigger.dev/sdk')
    return { AbortTaskRunError, CompleteTaskWithOutput, metadata, OutOfMemoryError, retry }
  } catch {
    return undefined
  }
})
