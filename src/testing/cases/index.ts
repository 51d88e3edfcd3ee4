/** Every case of the kit, by its name. */
import type { CaseTable } from '../trial.js'
import { batches } from './batches.js'
import { failures } from './failures.js'
import { leaks } from './leaks.js'
import { leases } from './leases.js'
import { lists } from './lists.js'
import { narrowing } from './narrowing.js'
import { outages } from './outages.js'
import { reads } from './reads.js'
import { values } from './values.js'
import { watching } from './watching.js'
import { writes } from './writes.js'

export const cases: CaseTable = { ...reads, ...values, ...failures, ...batches, ...lists, ...writes, ...narrowing, ...leases, ...watching, ...outages, ...leaks }
