/** What a provider takes, as the compiler holds it: what its checks refuse does not compile. */
import { createSecrets } from 'keyward'
import { aws } from 'keyward/providers/aws'
import { transit, vault } from 'keyward/providers/vault'
import { describe, it } from 'vitest'

describe('a login of Vault', () => {
  it('has one of what stands for another, and what it needs', () => {
    vault({ auth: { method: 'token' } })
    vault({ auth: { method: 'approle', roleId: 'role', wrappedSecretIdFile: '/run/wrapped' } })
    vault({ auth: { method: 'jwt', tokenFile: '/run/token', role: 'app' } })
    vault({ auth: { method: 'userpass', username: 'app', password: () => 'asked' } })
    createSecrets({ provider: { name: 'vault', auth: { method: 'approle', roleIdFile: '/run/role', secretId: 'secret' } } })
    // @ts-expect-error -- Both.
    vault({ auth: { method: 'token', token: 'a', tokenFile: 'b' } })
    // @ts-expect-error -- Who it is is missing.
    vault({ auth: { method: 'approle', secretId: 'secret' } })
    // @ts-expect-error -- Three ways to give a secret id, and one too many.
    vault({ auth: { method: 'approle', roleId: 'role', secretId: 'a', wrappedSecretId: 'b' } })
    // @ts-expect-error -- No password.
    vault({ auth: { method: 'userpass', username: 'app' } })
    // @ts-expect-error -- No token.
    vault({ auth: { method: 'jwt', role: 'app' } })
    // @ts-expect-error -- No such method.
    transit({ key: 'app', auth: { method: 'ldap' } })
  })
})

describe('the options of AWS', () => {
  it('are spelt as they are', () => {
    aws({ region: 'eu-west-1', localProvider: false })
    createSecrets({ provider: { name: 'aws', localProvider: { tokenFile: '/run/token', cached: true } } })
    // @ts-expect-error -- Misspelt.
    aws({ regoin: 'eu-west-1' })
    // @ts-expect-error -- A duration has a unit.
    aws({ recoveryWindow: 7 })
    // @ts-expect-error -- Agents need a role.
    aws({ agents: {} })
  })
})
