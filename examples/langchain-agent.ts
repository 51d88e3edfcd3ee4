/** How does a tool of a LangChain agent use a key that the model never sees? */
import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import { fakeModel } from '@langchain/core/testing'
import { tool } from '@langchain/core/tools'
import { createSecrets } from 'keyward'
import { getSecret } from 'keyward/agents'
import { withSecrets } from 'keyward/langchain'
import { createAgent } from 'langchain'
import * as z from 'zod'

const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: { WEATHER_KEY: 'not-a-real-weather-key', STRIPE_KEY: 'not-a-real-stripe-key' } },
  audit: (event) => {
    if (event.type === 'read') console.log(`audit: ${event.agent}/${event.tool} ${event.name} ${event.outcome}`)
  },
})
const schema = z.object({ city: z.string() })

/** As many services do, this one says the key when it refuses it. */
async function askService(city: string, key: string): Promise<string> {
  if (city === 'Atlantis') throw new Error(`401: "${key}" may not ask for ${city}`)
  return `18 degrees in ${city} (asked with ${key})`
}

const weather = tool(async ({ city }) => askService(city, await getSecret('WEATHER_KEY')), { name: 'weather', description: 'The weather in a city.', schema })
// A tool that reaches for more than it was granted, as a prompt may talk it into.
const refund = tool(async () => getSecret('STRIPE_KEY'), { name: 'refund', description: 'Refunds a charge.', schema })

const agent = secrets.scope({ agent: 'assistant', allow: ['WEATHER_KEY', 'STRIPE_KEY'] })
const model = fakeModel()
  .respondWithTools([{ name: 'weather', args: { city: 'Oslo' } }])
  .respondWithTools([{ name: 'weather', args: { city: 'Atlantis' } }])
  .respondWithTools([{ name: 'refund', args: { city: '' } }])
  .respond(new AIMessage('Take a coat.'))
const { messages } = await createAgent({ model, tools: withSecrets([weather, refund], { secrets: agent, allow: { weather: ['WEATHER_KEY'] } }) }).invoke({
  messages: [{ role: 'user', content: 'What is the weather in Oslo?' }],
})

for (const message of messages as BaseMessage[]) if (message.getType() === 'tool') console.log(`the model was told: ${message.text.split('\n')[0]}`)
await secrets.close()
