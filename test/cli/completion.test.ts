import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCommand, type Command, type Project } from './command.js'

const verbs = ['init', 'get', 'set', 'delete', 'list', 'run', 'policy', 'doctor', 'completion']

let command: Command
let project: Project
beforeAll(async () => {
  command = await createCommand()
  project = await command.project({ 'keyward.config.mjs': "console.log('the config ran')" })
})
afterAll(() => command.remove())

/** What bash offers for words of which the last is being typed. */
async function offeredByBash(...words: readonly string[]): Promise<readonly string[]> {
  const list = words.map((word) => `'${word}'`).join(' ')
  const { output, errors } = await project.shell(
    `source <(keyward completion bash); COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _keyward; printf '%s\\n' "\${COMPREPLY[@]}"`,
  )
  expect(errors).toBe('')
  return output.trim().split('\n')
}

describe('the completions of bash', () => {
  it('are verbs', async () => {
    expect(await offeredByBash('keyward', '')).toEqual(expect.arrayContaining(verbs))
    expect(await offeredByBash('keyward', 'do')).toEqual(['doctor'])
    expect(await offeredByBash('keyward', '--environment', 'do', 'do')).toEqual(['doctor'])
  })

  it('are the options of the verb, and their choices', async () => {
    expect(await offeredByBash('keyward', 'get', '--re')).toEqual(['--reveal'])
    expect(await offeredByBash('keyward', 'get', 'NAME', '--f')).toEqual(['--field'])
    expect(await offeredByBash('keyward', 'init', '--backend', '')).toEqual(expect.arrayContaining(['dotenv', 'env']))
    expect(await offeredByBash('keyward', 'completion', 'z')).toEqual(['zsh'])
  })

  it('are nothing of the command that is run', async () => {
    expect(await offeredByBash('keyward', 'run', '--', 'x')).toEqual([''])
  })
})

/** Each with what it reads first, and without whatever its user has set up. */
const shells = {
  bash: { words: ['--norc', '--noprofile', '-i'], ready: 'source <(keyward completion bash)' },
  zsh: { words: ['-f', '-i'], ready: 'autoload -Uz compinit && compinit -D -u && source <(keyward completion zsh)' },
  fish: { words: ['--no-config', '-i'], ready: 'keyward completion fish | source' },
} as const

describe.each(Object.entries(shells))('in a %s that is there', (shell, { words, ready }) => {
  const isThere = (): boolean => {
    try {
      execFileSync(shell, ['--version'])
      return true
    } catch {
      return false
    }
  }

  it.skipIf(!isThere())(
    'a press of the key completes a verb and an option, and runs nothing of what is typed',
    async () => {
      const steps = [
        [/[$#%>] ?/, `${ready} && echo rea''dy\r`],
        ['ready', 'keyward doc\t --he\t\r'],
        ['Usage: keyward doctor', 'keyward get $(touch pressed) --re\t'],
        // Ctrl-U: the line is not run.
        ['--reveal', '\u0015exit\r'],
      ] as const
      const { shown } = await project.converse(shell, words, steps)
      expect(shown).toContain('Usage: keyward doctor')
      expect(shown).not.toContain('the config ran')
      await expect(project.read('pressed')).rejects.toThrow('ENOENT')
    },
    30_000,
  )
})

describe('keyward completion', () => {
  it.each(['bash', 'zsh', 'fish'])('prints a script for %s, and in JSON', async (shell) => {
    const { output, errors, exitCode } = await project.run(['completion', shell])
    expect({ errors, exitCode }).toEqual({ errors: '', exitCode: 0 })
    for (const verb of verbs) expect(output).toContain(verb)
    expect(JSON.parse((await project.run(['completion', shell, '--json'])).output)).toEqual({ shell, script: output })
  })

  it('knows no other shell', async () => {
    expect(await project.run(['completion', 'tcsh'])).toMatchObject({ output: '', exitCode: 2 })
  })
})
