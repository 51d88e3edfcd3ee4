/** What tests of a provider and of an app need, published as `keyward/testing`. Imports no test runner. */
export type { Clock } from '../clock.js'
export { conformanceCases, type ConformanceCase } from './conformance.js'
export { createFakeClock, type FakeClock } from './fake-clock.js'
export type { ConformanceHarness } from './harness.js'
