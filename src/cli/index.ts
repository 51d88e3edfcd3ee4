#!/usr/bin/env node
/** The command `keyward`. The version is answered before anything else is loaded. */
import { readFileSync } from 'node:fs'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
const words = process.argv.slice(2)

if (words[0] === '--version' || words[0] === '-V') process.stdout.write(`${version}\n`)
else {
  // Without a listener Node opens its debugger for this signal, to every user of the machine.
  process.on('SIGUSR1', () => undefined)
  process.exitCode = await (await import('./program.js')).main(words, version)
}
