/** Values come back as they are. */
import { createCanary } from '../canary.js'
import { expectEqual } from '../expect.js'
import type { CaseTable } from '../trial.js'

export const values: CaseTable = {
  async 'empty string'(trial) {
    const name = trial.name('EMPTY')
    await trial.place({ [name]: '' })
    expectEqual(await trial.open().getSecret(name, { default: 'the default, which is for a missing secret' }), '', 'the empty value')
  },

  async unicode(trial) {
    const name = trial.name('UNICODE')
    const value = createCanary((core) => `  ${core} pâté Ω 水 e\u0301 שלום \u{1f34c} "double" 'single' $HOME \${HOME} #hash a=b \\n\n\tsecond line \u2028 end  `).value
    await trial.place({ [name]: value })
    expectEqual(await trial.open().getSecret(name), value, 'the value')
  },

  async 'large value'(trial) {
    const name = trial.name('LARGE')
    const value = createCanary((core) => core.padEnd(65_536, 'keyward 64 KiB ')).value
    await trial.place({ [name]: value })
    expectEqual(await trial.open().getSecret(name), value, 'the value of 64 KiB')
  },
}
