/**
 * The roles that hold an agent's identity to its grant: https://learn.microsoft.com/azure/key-vault/general/rbac-guide. A role is assigned on a secret by its exact name, or
 * on the vault: Azure knows no prefixes and no exceptions.
 */
import { SecretError } from '../../src/errors/secret-error.js'
import type { ProviderGrant } from '../../src/provider.js'

/** "Key Vault Secrets User": https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security#key-vault-secrets-user. */
const reader = '4633458b-17de-408a-b874-0445c86b69e6'

/** Can roles say it? */
export const isExpressible = ({ allow, deny }: ProviderGrant): boolean => deny.length === 0 && (allow.includes('*') || allow.every((id) => /^[0-9A-Za-z-]{1,127}$/.test(id)))

/** @throws SecretError `unsupported` for a grant that no roles say. */
export function policyOf(grant: ProviderGrant, vault: string): { name: string; text: string } {
  const { agent, allow } = grant
  const shown = agent.replace(/[^\w .@-]/g, '?')
  const assign = (scope: string): string =>
    `az role assignment create --role ${reader} --assignee-object-id "$AGENT_PRINCIPAL_ID" --assignee-principal-type ServicePrincipal --scope "${scope}"`
  const better = 'A vault for each agent is the better answer: move its secrets into one of its own, and grant that ("*") with a reference to its provider.'
  if (!isExpressible(grant)) {
    const why = grant.deny.length > 0 ? 'exceptions (`deny`)' : 'prefixes'
    throw new SecretError({
      code: 'unsupported',
      reason: 'roles',
      fix: `Roles of Azure know no ${why}, so the process alone holds this agent to its grant: grant exact names. ${better}`,
    })
  }
  const lines = [
    `# Roles for the identity of agent "${shown}": it reads what is named here, and nothing else, as long as no other role of it says more. They count after some minutes.`,
    '# AGENT_PRINCIPAL_ID is the object id of its managed identity or service principal.',
  ]
  if (allow.length === 0) {
    lines.push('# It is granted nothing: assign no role.')
  } else {
    if (allow.length > 10 && !allow.includes('*')) lines.push(`# ${allow.length} assignments, of some 4,000 that a subscription has. ${better}`)
    lines.push(`VAULT_ID=$(az keyvault show --name "${/^[0-9A-Za-z-]{3,24}$/.test(vault) ? vault : 'NAME_OF_THE_VAULT'}" --query id --output tsv)`)
    if (allow.includes('*')) lines.push(assign('$VAULT_ID'))
    else for (const id of allow) lines.push(assign(`$VAULT_ID/secrets/${id}`))
  }
  return { name: `keyward-${shown.replace(/\W+/g, '-')}`, text: `${lines.join('\n')}\n` }
}
