/** What each backend needs beside keyward, which a test holds to the peers of package.json, and what else there is to do on a laptop: for who begins a project. */
const needs: Readonly<Record<string, { readonly clients: readonly string[]; readonly laptop?: string }>> = {
  vault: { clients: ['node-vault'] },
  azure: {
    clients: ['@azure/keyvault-secrets', '@azure/identity'],
    laptop: 'On a laptop log in with `az login`, and set `credential: { method: \'azure-cli\' }`: your own account then needs the role "Key Vault Secrets User"',
  },
  aws: { clients: ['@aws-sdk/client-secrets-manager'] },
}

/** Undefined for one that keyward reads by itself. */
export function whatItNeeds(kind: string): string | undefined {
  const { clients, laptop } = needs[kind] ?? {}
  if (clients === undefined) return undefined
  return `this backend needs its client beside keyward: \`npm install ${clients.join(' ')}\`.${laptop === undefined ? '' : ` ${laptop}.`}`
}
