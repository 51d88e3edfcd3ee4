import { defineConfig } from 'keyward'

export default defineConfig({
  secrets: { OPENAI_API_KEY: {}, 'search/api-key': {}, STRIPE_KEY: {} },
  agents: { researcher: { allow: ['OPENAI_API_KEY', 'search/*'] } },
  environments: {
    // A laptop: a file.
    development: { provider: { name: 'dotenv', files: ['development.env'], processEnv: 'never' } },
    // VAULT_ADDR and VAULT_TOKEN. `*` is the rest of the name, in a mount of the team.
    vault: { provider: { name: 'vault', mount: 'secret/agents' } },
    // AWS_REGION, and the credentials of this machine.
    aws: { provider: 'aws', references: { OPENAI_API_KEY: 'prod/agents#openai', STRIPE_KEY: 'prod/stripe', 'search/*': 'prod/search/*' } },
    // AZURE_KEYVAULT_URL, and the identity that the environment says (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, or that of the machine). Names have dashes alone there:
    // openai-api-key, search-api-key. AZURE_KEYVAULT_EMULATOR=true is for an emulator on this machine.
    azure: { provider: { name: 'azure', allowInsecureEmulator: process.env['AZURE_KEYVAULT_EMULATOR'] === 'true' } },
  },
})
