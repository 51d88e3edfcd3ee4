/** What a server that a client starts is handed: the few variables that the SDK calls safe, and the secrets that it was granted. */
import { checkList, checkObject, checkString, printable } from '../../errors/check.js'
import { invalidConfig } from '../../errors/secret-error.js'
import { prepareTool, runAt, type Secrets } from '../../seam.js'
import { checkVariable, variablesOf } from '../../variables.js'

/** As both versions of the SDK have them. */
const safe =
  process.platform === 'win32'
    ? [
        ...['APPDATA', 'HOMEDRIVE', 'HOMEPATH', 'LOCALAPPDATA', 'PATH', 'PROCESSOR_ARCHITECTURE', 'SYSTEMDRIVE', 'SYSTEMROOT'],
        ...['TEMP', 'USERNAME', 'USERPROFILE', 'PROGRAMFILES'],
      ]
    : ['HOME', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'USER']

export interface EnvironmentOptions<Name extends string> {
  /** A view: best that of one agent. */
  secrets: Secrets<Name>
  /** Which secrets the server is handed: their names, no patterns, since nobody knows here what a pattern would come to. */
  allow: readonly NoInfer<Name>[]
  /** The server's name, for errors and the audit. Default `'mcp-server'`. */
  server?: string
}

/**
 * The environment of a server that a client starts: `new StdioClientTransport({ command, args, env: await minimalEnvironment({ secrets, allow: ['GITHUB_TOKEN'] }) })`.
 * A secret stands under its name, in which `/` and `-` are `_`; of this process's own variables there are those that the SDK calls safe, and no other.
 * @throws SecretError as the reads do, all of them or none; `invalid-config` where two names are one variable, or one is a variable that the server needs as it is.
 */
export async function minimalEnvironment<Name extends string>(options: EnvironmentOptions<Name>): Promise<Record<string, string>> {
  const {
    secrets,
    allow,
    server = 'mcp-server',
  } = checkObject(options, 'options', ['secrets', 'allow', 'server']) as { secrets: Secrets<string>; allow: unknown; server?: unknown }
  const names = [...new Set(checkList(allow, 'options.allow').map((name, index) => checkName(name, `options.allow[${index}]`)))]
  const open = prepareTool(secrets, { tool: checkString(server, 'options.server'), allow: names })
  const variables = variablesOf(names, 'the server', (variable) => safe.includes(process.platform === 'win32' ? variable.toUpperCase() : variable))
  const { place, end } = open()
  try {
    const values = await runAt(place, () => secrets.getSecrets(names))
    const granted = names.map((name) => [variables.get(name) ?? name, checkVariable(name, values[name] ?? '')] as const)
    return { ...safeVariables(), ...Object.fromEntries(granted) }
  } finally {
    end()
  }
}

function checkName(value: unknown, option: string): string {
  const name = checkString(value, option)
  if (name.endsWith('*')) throw invalidConfig(option, `is the pattern "${printable(name)}"`, 'the name of one secret: each that the server is handed is named')
  return name
}

function safeVariables(): Record<string, string> {
  const variables: Record<string, string> = {}
  for (const name of safe) {
    const value = process.env[name]
    // A function of a shell is code.
    if (value !== undefined && !value.startsWith('()')) variables[name] = value
  }
  return variables
}
