import { defineConfig } from 'keyward'

export default defineConfig({
  secrets: {
    OPENAI_API_KEY: { description: 'for the language model' },
    'search/api-key': { cache: { ttl: '1m' } },
  },
  agents: {
    researcher: { allow: ['OPENAI_API_KEY', 'search/*'] },
    summarizer: { allow: ['OPENAI_API_KEY'] },
  },
  environments: {
    development: { provider: { name: 'dotenv', files: ['development.env'], processEnv: 'never' } },
    production: { provider: 'env', references: { 'search/api-key': 'SEARCH_SERVICE_KEY' } },
  },
})
