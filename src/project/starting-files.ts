/** What a project begins with: a config, an example of the .env file, and a line that keeps the .env file out of git. */
import { variableName } from '../provider-names.js'

export interface Start {
  readonly provider: string
  readonly names: readonly string[]
}

const quoted = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name.replace(/['\\]/g, '\\$&')}'`)

/** With comments, for the runtimes that load TypeScript. */
export function configAsCode({ provider, names }: Start): string {
  const [first = 'OPENAI_API_KEY'] = names
  const listed = names.length === 0 ? [`  // secrets: { ${first}: {} },`] : ['  secrets: {', ...names.map((name) => `    ${quoted(name)}: {},`), '  },']
  return `import { defineConfig } from 'keyward'

const config = defineConfig({
  // Every secret by its exact name. \`{ rotateEvery: '90d' }\` lets \`keyward doctor\` say when one is due.
${listed.join('\n')}

  // What each agent may read: names, and patterns that end in *. In the code: (await loadSecrets()).agent('researcher')
  // agents: { researcher: { allow: ['${first.replace(/['\\]/g, '\\$&')}'] } },

  // Where the secrets live. KEYWARD_ENV says which of these; one alone needs no saying.
  environments: {
    development: { provider: '${provider}' },${hintOf(provider)}
  },
})
export default config

// Lets the compiler check the names and agents in the code.
declare module 'keyward' {
  interface Register {
    config: typeof config
  }
}
`
}

const hints: Readonly<Record<string, string>> = {
  vault: "VAULT_ADDR and VAULT_TOKEN say where and who; else options: { name: 'vault', address, auth: { method: 'approle', … }, agents }",
  azure:
    "AZURE_KEYVAULT_URL says where; options: { name: 'azure', vaultUrl, credential: { method: 'managed-identity' }, agents }; on a laptop, after `az login`: credential: { method: 'azure-cli' }",
  aws: "AWS_REGION and the credentials of this machine say where and who; else options: { name: 'aws', region, profile, agents: { roleArn } }",
}

function hintOf(provider: string): string {
  const hint = hints[provider]
  return hint === undefined ? '' : `\n    // ${hint}`
}

/** The same without comments, which JSON has none of. */
export function configAsJson({ provider, names }: Start): string {
  const secrets = names.length === 0 ? {} : { secrets: Object.fromEntries(names.map((name) => [name, {}])) }
  return `${JSON.stringify({ ...secrets, environments: { development: { provider } } }, undefined, 2)}\n`
}

export function environmentExample(names: readonly string[]): string {
  const variables = names.flatMap((name) => {
    try {
      return [`${variableName(name, 'dotenv')}=`]
    } catch {
      // Such a name needs a reference that says which variable it is.
      return []
    }
  })
  return `# The variables that this project needs, without their values. Copy this file to .env, fill it in, and keep that out of git.\n${variables.map((line) => `${line}\n`).join('')}`
}

const ignored = ['.env*', '!.env.example']

/** A .gitignore with the two lines; undefined where it has them. */
export function withIgnored(before: string | undefined): string | undefined {
  const lines = new Set((before ?? '').split(/\r?\n/).map((line) => line.trim()))
  const isIgnored = lines.has('.env*') || (lines.has('.env') && lines.has('.env.*'))
  // The last line that fits counts: the exception has to stand behind what it is one of.
  const missing = isIgnored ? ignored.filter((line) => !lines.has(line) && line !== '.env*') : ignored
  if (missing.length === 0) return undefined
  const end = before === undefined || before === '' || before.endsWith('\n') ? '' : '\n'
  return `${before ?? ''}${end}${missing.join('\n')}\n`
}
