import { defineConfig } from 'keyward'

export default defineConfig({
  secrets: { OPENAI_API_KEY: { description: 'for the language model' }, STRIPE_KEY: { description: 'for billing' } },
  agents: { researcher: { allow: ['OPENAI_API_KEY'] }, billing: { allow: ['STRIPE_KEY'] } },
  environments: {
    // A laptop: a file.
    development: { provider: { name: 'dotenv', files: ['development.env'], processEnv: 'never' } },
    // Production: AWS_REGION says where, the role of this machine who asks, and each agent gets a session that AWS itself holds to its grant.
    production: {
      provider: { name: 'aws', agents: { roleArn: process.env['AGENTS_ROLE_ARN'] ?? '' } },
      references: { OPENAI_API_KEY: 'prod/agents/openai', STRIPE_KEY: 'prod/agents/stripe' },
    },
  },
})
