/** Secrets over moto, as a user of IAM. */
import { aws, type AwsOptions } from '../../../providers/aws/index.js'
import { createSecrets, type AuditEvent, type RootSecrets } from '../../../src/index.js'
import type { AwsKey, Moto } from '../../servers/moto.js'

export interface Opened {
  readonly secrets: RootSecrets<string>
  readonly events: AuditEvent[]
}

type Options = Partial<Parameters<typeof createSecrets<string>>[0]>

export function openSecrets(server: Moto, { accessKeyId, secretAccessKey }: AwsKey, options: AwsOptions = {}, more: Options = {}): Opened {
  const events: AuditEvent[] = []
  const own = options.client === undefined ? { region: server.region, endpoint: server.address, credentials: { accessKeyId, secretAccessKey } } : {}
  const secrets = createSecrets<string>({ provider: aws({ ...own, ...options }), cache: false, retry: false, audit: (event) => void events.push(event), ...more })
  return { secrets, events }
}
