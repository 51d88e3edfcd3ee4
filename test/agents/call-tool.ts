import { prepareTool, runAt } from '../../src/seam.js'
import type { Secrets } from '../../src/index.js'

export interface ToolGrant {
  readonly tool: string
  readonly allow: readonly string[]
}

/** Calls a tool as an adapter does: in a scope of its own, which ends when the call has settled. */
export async function callTool<Result>(secrets: Secrets<never>, grant: ToolGrant, run: () => Result | Promise<Result>): Promise<Result> {
  const { place, end } = prepareTool(secrets, grant)()
  try {
    return await runAt(place, run)
  } finally {
    end()
  }
}
