import { stat } from 'node:fs/promises'
import { invalidConfig } from '../errors/secret-error.js'

/** @throws SecretError `invalid-config` where `--config` does not lead to a folder. */
export async function requireFolder(directory: string): Promise<void> {
  const stats = await stat(directory).catch(() => undefined)
  if (stats?.isDirectory() !== true) throw invalidConfig('--config', stats === undefined ? 'does not exist' : 'is not a folder', 'the folder of the config, or one below it')
}
