/** How is every read written down? */
import { open, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecrets, type AuditEvent, type AuditSink } from 'keyward'

const directory = await mkdtemp(join(tmpdir(), 'keyward-audit-'))
const path = join(directory, 'audit.jsonl')

/** One line for each event. `close()` of the secrets waits for it. */
async function jsonLines(file: string): Promise<AuditSink> {
  const handle = await open(file, 'a', 0o600)
  let written: Promise<unknown> = Promise.resolve()
  return {
    write(event: AuditEvent) {
      // One after the other, so that lines stay whole and in order.
      written = written.then(() => handle.appendFile(`${JSON.stringify(event)}\n`))
      return written.then(() => undefined)
    },
    flush: () => written.then(() => undefined),
    close: () => handle.close(),
  }
}

const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: { OPENAI_API_KEY: 'not-a-real-openai-key' } },
  audit: await jsonLines(path),
  environment: 'production',
})
const researcher = secrets.scope({ agent: 'researcher', allow: ['OPENAI_API_KEY'], labels: { run: '42' } })
await researcher.getSecret('OPENAI_API_KEY')
await researcher.getSecret('OPENAI_API_KEY')
await researcher.getSecret('STRIPE_KEY' as never).catch(() => undefined)
await secrets.close()

process.stdout.write(await readFile(path, 'utf8'))
await rm(directory, { recursive: true })
