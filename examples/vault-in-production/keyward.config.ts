import { defineConfig } from 'keyward'

export default defineConfig({
  secrets: { OPENAI_API_KEY: { description: 'for the language model' } },
  agents: { researcher: { allow: ['OPENAI_API_KEY'] } },
  environments: {
    // A laptop: a file.
    development: { provider: { name: 'dotenv', files: ['development.env'], processEnv: 'never' } },
    // Production: VAULT_ADDR says where, and an AppRole who asks.
    production: {
      provider: {
        name: 'vault',
        mount: 'secret/agents',
        auth: { method: 'approle', roleId: () => process.env['VAULT_ROLE_ID'] ?? '', secretId: () => process.env['VAULT_SECRET_ID'] ?? '' },
      },
    },
  },
})
