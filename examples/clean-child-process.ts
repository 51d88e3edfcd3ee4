/** How does a key stay out of what a child process prints? */
import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { createSecrets } from 'keyward'
import { redactStream } from 'keyward/redaction'

const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { DEPLOY_TOKEN: 'not-a-real-deploy-token' } } })
const token = await secrets.getSecret('DEPLOY_TOKEN')

// It prints what it was given, in two pieces.
const program = `const { TOKEN } = process.env; process.stdout.write('deploying with ' + TOKEN.slice(0, 9)); setTimeout(() => console.log(TOKEN.slice(9) + ', done'), 50)`
const child = spawn(process.execPath, ['-e', program], { env: { TOKEN: token }, stdio: ['ignore', 'pipe', 'inherit'] })

// Line by line, so that nobody waits for more than the rest of a line.
const clean = (Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>).pipeThrough(redactStream(secrets, { flushAt: 'line' }))
for await (const chunk of clean) process.stdout.write(chunk)
await secrets.close()
