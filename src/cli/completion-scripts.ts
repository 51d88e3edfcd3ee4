/**
 * Completions as scripts of the shells. They hold all verbs and options and call nothing: a press of a key must neither run what is being typed, nor the config of
 * whoever's folder this is. So names are not completed.
 */
import type { Argument, Command, Option } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

interface Choice {
  readonly flag: string
  readonly text: string
  readonly takesValue: boolean
  readonly values: readonly string[]
  readonly isFolder: boolean
}
interface Verb {
  readonly name: string
  readonly text: string
  readonly options: readonly Choice[]
  /** Of its argument. */
  readonly values: readonly string[]
  readonly takesName: boolean
  readonly runsCommand: boolean
}

/** Which commander has apart from the options. */
const help: Choice = { flag: '--help', text: 'say how it is used', takesValue: false, values: [], isFolder: false }

export function completionScript(shell: Shell, program: Command): string {
  const global = [...program.options.map(choiceOf), help]
  const verbs = program.commands.map((command) => verbOf(command))
  return { bash, zsh, fish }[shell](global, verbs)
}

function verbOf(command: Command): Verb {
  const first: Argument | undefined = command.registeredArguments[0]
  return {
    name: command.name(),
    text: command.summary(),
    options: [...command.options.map(choiceOf), help],
    values: first?.argChoices ?? [],
    takesName: first !== undefined,
    runsCommand: command.name() === 'run',
  }
}

function choiceOf({ long, description, required, argChoices, flags }: Option): Choice {
  return { flag: long ?? flags, text: description, takesValue: required, values: argChoices ?? [], isFolder: flags.includes('<folder>') }
}

const words = (list: readonly string[]): string => list.join(' ')
const flagsOf = (options: readonly Choice[]): readonly string[] => options.map(({ flag }) => flag)

function bash(global: readonly Choice[], verbs: readonly Verb[]): string {
  const valued = [...new Set([...global, ...verbs.flatMap(({ options }) => options)].filter(({ takesValue }) => takesValue).map(({ flag }) => flag))]
  const values = verbs.flatMap(({ name, options }) =>
    options.filter(({ values }) => values.length > 0).map(({ flag, values }) => `    '${name} ${flag}') words='${words(values)}' ;;`),
  )
  const ofVerb = verbs.map(({ name, options, values }) => `      ${name}) words='${words([...values, ...flagsOf(options)])}' ;;`)
  return `# Completions of keyward for bash: source <(keyward completion bash)
_keyward() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" verb='' words='' index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${COMP_WORDS[index]}" in
    --) return ;;
    ${valued.join(' | ')}) ((index++)) ;;
    -*) ;;
    *) [[ -n "$verb" ]] || verb="\${COMP_WORDS[index]}" ;;
    esac
  done
  case "$verb $before" in
${values.join('\n')}
    ${valued.map((flag) => `*' ${flag}'`).join(' | ')}) return ;;
    *)
      case "$verb" in
      '') words='${words([...verbs.map(({ name }) => name), ...flagsOf(global)])}' ;;
${ofVerb.join('\n')}
      esac
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _keyward keyward
`
}

function zsh(global: readonly Choice[], verbs: readonly Verb[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`
  const plain = (text: string): string => text.replace(/[[\]:\\]/g, String.raw`\$&`)
  const valueOf = ({ values, isFolder }: Choice): string => (isFolder ? ':folder:_files -/' : `:value:${values.length === 0 ? ' ' : `(${words(values)})`}`)
  const argument = (choice: Choice): string => quote(`${choice.flag}[${plain(choice.text)}]${choice.takesValue ? valueOf(choice) : ''}`)
  const cases = verbs.map(({ name, options, values, takesName, runsCommand }) => {
    const free = takesName ? [quote('*:name: ')] : []
    const rest = runsCommand ? [quote('*::command:_normal')] : values.length > 0 ? [quote(`1:value:(${words(values)})`)] : free
    return `      ${name}) _arguments -s ${[...options.map(argument), ...rest].join(' ')} ;;`
  })
  return `#compdef keyward
# Completions of keyward for zsh: source <(keyward completion zsh), or this as a file _keyward in $fpath.
_keyward() {
  local context state state_descr line
  local -a verbs
  local -A opt_args
  verbs=(${verbs.map(({ name, text }) => quote(`${name}:${plain(text)}`)).join(' ')})
  _arguments -C ${global.map(argument).join(' ')} '1:verb:->verb' '*::argument:->rest'
  case $state in
    verb) _describe -t verbs verb verbs ;;
    rest)
      case $line[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _keyward ]]; then _keyward "$@"; else compdef _keyward keyward; fi
`
}

function fish(global: readonly Choice[], verbs: readonly Verb[]): string {
  const quote = (text: string): string => `'${text.replace(/['\\]/g, String.raw`\$&`)}'`
  const option = ({ flag, text, takesValue, values, isFolder }: Choice): string => {
    const value = isFolder ? " -x -a '(__fish_complete_directories)'" : takesValue ? ` -x${values.length === 0 ? '' : ` -a ${quote(words(values))}`}` : ''
    return `-l ${flag.replace(/^--/, '')}${value} -d ${quote(text)}`
  }
  const lines = verbs.flatMap(({ name, text, options, values, runsCommand }) => {
    const isVerb = `-n '__fish_seen_subcommand_from ${name}'`
    return [
      `complete -c keyward -n __fish_use_subcommand -a ${name} -d ${quote(text)}`,
      ...options.map((choice) => `complete -c keyward ${isVerb} ${option(choice)}`),
      ...(values.length > 0 ? [`complete -c keyward ${isVerb} -a ${quote(words(values))}`] : []),
      ...(runsCommand ? [`complete -c keyward ${isVerb} -a '(__fish_complete_subcommand --fcs-skip=2)'`] : []),
    ]
  })
  return `# Completions of keyward for fish: keyward completion fish | source
complete -c keyward -f
${global.map((choice) => `complete -c keyward -n __fish_use_subcommand ${option(choice)}`).join('\n')}
${lines.join('\n')}
`
}
