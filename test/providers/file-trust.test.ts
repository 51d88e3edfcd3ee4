import { describe, expect, it } from 'vitest'
import { checkTrust } from '../../src/file-trust.js'
import { withVariables } from './setup.js'

const user = process.getuid?.() ?? 0
const stranger = user + 54_321

describe.skipIf(process.platform === 'win32')('checkTrust', () => {
  it('takes files of this user and of root', () => {
    expect(() => checkTrust({ uid: user, mode: 0o100_600 }, 'the file')).not.toThrow()
    expect(() => checkTrust({ uid: 0, mode: 0o100_664 }, 'the file')).not.toThrow()
  })

  it('refuses those of others and those that everyone can write, with the fix', () => {
    expect(() => checkTrust({ uid: stranger, mode: 0o100_600 }, 'the file')).toThrow(
      expect.objectContaining({ code: 'invalid-config', message: expect.stringMatching(/^keyward: the file belongs to user \d+.*`chown \d+`/) }),
    )
    expect(() => checkTrust({ uid: user, mode: 0o100_666 }, 'the file')).toThrow(
      expect.objectContaining({ code: 'invalid-config', message: expect.stringContaining('`chmod o-w`') }),
    )
  })

  it.skipIf(user !== 0)('counts the caller of sudo as this user, for root alone', async () => {
    await withVariables({ SUDO_UID: String(stranger) }, () => {
      expect(() => checkTrust({ uid: stranger, mode: 0o100_600 }, 'the file')).not.toThrow()
      expect(() => checkTrust({ uid: stranger, mode: 0o100_602 }, 'the file')).toThrow(/chmod/)
    })
    await withVariables({ SUDO_UID: ` ${stranger}` }, () => {
      expect(() => checkTrust({ uid: stranger, mode: 0o100_600 }, 'the file')).toThrow(/chown/)
    })
  })
})
