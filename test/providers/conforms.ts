import { expect, it } from 'vitest'
import { conformanceCases, type ConformanceHarness } from '../../src/testing/index.js'

/**
 * Runs all cases of the kit.
 * @param absent Names of those, and of no others, that are skipped.
 * @param timeout Milliseconds for each.
 */
export function conforms(createHarness: () => Promise<ConformanceHarness>, absent: readonly string[], timeout = 5_000): void {
  const skipped: string[] = []
  for (const conformanceCase of conformanceCases(createHarness)) {
    it(conformanceCase.name, { timeout }, async (context) => {
      await conformanceCase.run()
      if (conformanceCase.skip === undefined) return
      skipped.push(conformanceCase.name)
      context.skip(conformanceCase.skip)
    })
  }
  it('has every case that it can', () => {
    expect(skipped.toSorted()).toEqual(absent.toSorted())
  })
}
