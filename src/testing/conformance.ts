import { cases } from './cases/index.js'
import { expect } from './expect.js'
import type { ConformanceHarness } from './harness.js'
import { runTrial } from './trial.js'

export interface ConformanceCase {
  /** Also the key of this case in the harness's `skips`. */
  readonly name: string
  /**
   * Why it did not apply, once `run` has settled: the harness's reason, or which optional part the provider does not have. Harnesses are made when a case runs,
   * so nothing is known before. Absent: the case ran.
   */
  readonly skip?: string
  /** Makes a harness, runs the case against it and closes it. Rejects with what the provider did wrong. */
  run(): Promise<void>
}

/**
 * What a provider has to do, case by case, for any test runner:
 *
 *     for (const conformanceCase of conformanceCases(createHarness)) {
 *       it(conformanceCase.name, async (context) => {
 *         await conformanceCase.run()
 *         if (conformanceCase.skip !== undefined) context.skip(conformanceCase.skip)
 *       })
 *     }
 *
 * A case that the backend cannot have is listed in the harness's `skips` with its reason; `run` then checks that the reason says something and runs nothing.
 * A case that needs a harness method (`rotate`, `remove`, `deny`, `fail`, `seedLeased`) which is not there, and is not listed, fails. A name in `skips` that is no case fails
 * every case.
 *
 * Optional parts need no skip. Of what the provider cannot (`version`, `stage`, `put`, `delete`, `list`) the case is that it is `unsupported`, without a call; a case of
 * which there is nothing to see (no `batch`, no `watch`, no lease) passes, and says so in `skip`.
 * @param createHarness Called once for each case.
 */
export function conformanceCases(createHarness: () => Promise<ConformanceHarness>): readonly ConformanceCase[] {
  return Object.keys(cases).map((name) => createCase(name, createHarness))
}

function createCase(name: string, createHarness: () => Promise<ConformanceHarness>): ConformanceCase {
  const created: { name: string; skip?: string; run(): Promise<void> } = {
    name,
    async run() {
      delete created.skip
      const harness = await createHarness()
      try {
        const reason = reasonOf(name, harness)
        const skip = reason ?? (await runTrial(name, harness, cases[name] ?? unknownCase))
        if (skip !== undefined) created.skip = skip
      } finally {
        await harness.close()
      }
    },
  }
  return created
}

function reasonOf(name: string, { skips = {} }: ConformanceHarness): string | undefined {
  for (const [skipped, reason] of Object.entries(skips)) {
    expect(Object.hasOwn(cases, skipped), `skips['${skipped}'] of the harness names no case: the cases are ${Object.keys(cases).join(', ')}`)
    expect(typeof reason === 'string' && reason.trim() !== '', `skips['${skipped}'] of the harness gives no reason: say why the backend cannot have this case`)
  }
  return Object.hasOwn(skips, name) ? skips[name] : undefined
}

function unknownCase(): never {
  throw new Error('keyward/testing: there is no such case')
}
