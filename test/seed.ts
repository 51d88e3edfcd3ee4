/**
 * Property tests take the same random cases each time, so that a change is what makes one fail. `KEYWARD_SEED=random` looks for new ones,
 * `KEYWARD_SEED=-889004360` runs those of a failure again.
 */
import fc from 'fast-check'

const given = process.env['KEYWARD_SEED'] ?? '20261124'
if (given !== 'random') fc.configureGlobal({ seed: Number(given) })
