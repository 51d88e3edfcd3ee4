#!/usr/bin/env node
/** The command `keyward`. The version is answered before anything else is loaded. */
import { readFileSync } from 'node:fs'

const { version, engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string; engines: { node: string } }
const words = process.argv.slice(2)

if (words[0] === '--version' || words[0] === '-V') process.stdout.write(`${version}\n`)
else if (isTooOld(process.versions.node, engines.node)) {
  // What comes next would not even load there.
  const message = `keyward: Node ${process.versions.node} is too old; expected Node ${engines.node.replace('>=', '')} or later, first on PATH.`
  process.stderr.write(`${message}\n`)
  if (words.includes('--json')) process.stdout.write(`${JSON.stringify({ error: { code: 'failed', message }, exitCode: 1 })}\n`)
  process.exitCode = 1
} else {
  // Without a listener Node opens its debugger for this signal, to every user of the machine.
  process.on('SIGUSR1', () => undefined)
  process.exitCode = await (await import('./program.js')).main(words, version)
}

/** @param least `>=` and numbers, as package.json says it. */
function isTooOld(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = least.replace('>=', '').split('.').map(Number)
  return major < leastMajor || (major === leastMajor && minor < leastMinor)
}
