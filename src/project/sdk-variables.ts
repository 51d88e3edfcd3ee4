/** Which variables tell the usual SDKs where a service is and with which key: by the origin of the service. Each row is what that SDK's own source or documentation says. */
import type { RunningProxy } from '../proxy/index.js'

interface Sdk {
  readonly origin: string
  /** What the SDK expects behind the origin in its base URL. */
  readonly path: string
  readonly baseUrl: string
  readonly key: string
}

export const sdks: readonly Sdk[] = [
  // https://github.com/openai/openai-node/blob/master/src/client.ts, https://github.com/openai/openai-python/blob/main/src/openai/_client.py
  { origin: 'https://api.openai.com', path: '/v1', baseUrl: 'OPENAI_BASE_URL', key: 'OPENAI_API_KEY' },
  // https://github.com/anthropics/anthropic-sdk-typescript/blob/main/src/client.ts
  { origin: 'https://api.anthropic.com', path: '', baseUrl: 'ANTHROPIC_BASE_URL', key: 'ANTHROPIC_API_KEY' },
  // https://github.com/googleapis/js-genai/blob/main/src/_base_url.ts, https://ai.google.dev/gemini-api/docs/api-key
  { origin: 'https://generativelanguage.googleapis.com', path: '', baseUrl: 'GOOGLE_GEMINI_BASE_URL', key: 'GEMINI_API_KEY' },
  // https://github.com/groq/groq-typescript/blob/main/src/client.ts: its paths begin with /openai/v1.
  { origin: 'https://api.groq.com', path: '', baseUrl: 'GROQ_BASE_URL', key: 'GROQ_API_KEY' },
  // https://github.com/togethercomputer/together-typescript/blob/main/src/client.ts
  { origin: 'https://api.together.xyz', path: '/v1', baseUrl: 'TOGETHER_BASE_URL', key: 'TOGETHER_API_KEY' },
  // https://github.com/Cerebras/cerebras-cloud-sdk-node/blob/main/src/index.ts: its paths begin with /v1.
  { origin: 'https://api.cerebras.ai', path: '', baseUrl: 'CEREBRAS_BASE_URL', key: 'CEREBRAS_API_KEY' },
  // https://github.com/cohere-ai/cohere-python/blob/main/src/cohere/client.py
  { origin: 'https://api.cohere.com', path: '', baseUrl: 'CO_API_URL', key: 'CO_API_KEY' },
]

export interface ServedOrigin {
  readonly name: string
  readonly origin: string
}

export interface ProxyVariables {
  readonly variables: Readonly<Record<string, string>>
  /** Whose service another one has already: the SDK's variables lead to that. */
  readonly others: readonly ServedOrigin[]
}

/** @param served In the order in which they are to count. */
export function proxyVariables({ baseUrl, port, token }: RunningProxy, host: string, served: readonly ServedOrigin[]): ProxyVariables {
  const variables: Record<string, string> = { KEYWARD_PROXY_URL: new URL(`http://${host}:${port}`).origin, KEYWARD_PROXY_TOKEN: token }
  const others: ServedOrigin[] = []
  for (const one of served) {
    const sdk = sdks.find(({ origin }) => origin === one.origin)
    if (sdk === undefined) continue
    if (sdk.baseUrl in variables) others.push(one)
    else Object.assign(variables, { [sdk.baseUrl]: `${baseUrl(one.name, one.origin)}${sdk.path}`, [sdk.key]: token })
  }
  return { variables, others }
}
