/** Questions to a person. On stderr, so that stdout holds the result alone. */
import type { Key } from 'node:readline'
import { CommandError } from './exit-codes.js'

export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY
}

/** Shows nothing of what is typed, its length neither. */
export async function askHidden(message: string): Promise<string> {
  const { password } = await import('@clack/prompts')
  return asking<string>((common) => password({ message, mask: '', ...common }), 'one line')
}

export async function askYesNo(message: string): Promise<boolean> {
  const { confirm } = await import('@clack/prompts')
  return asking<boolean>((common) => confirm({ message, initialValue: false, ...common }))
}

export async function askWhich<Choice extends string>(message: string, choices: readonly { value: Choice; hint: string }[]): Promise<Choice> {
  const { select } = await import('@clack/prompts')
  const options = choices.map(({ value, hint }) => ({ value: value as string, label: value, hint }))
  return (await asking<string>((common) => select<string>({ message, options, ...common }))) as Choice
}

interface Common {
  readonly output: NodeJS.WriteStream
  readonly signal: AbortSignal
}

/** Terminals that tell no width, as those that programs open: a prompt of no columns is one character a line. */
const usualWidth = 80

async function asking<Answer>(ask: (common: Common) => Promise<Answer | symbol>, length?: 'one line'): Promise<Answer> {
  if (process.stderr.columns === 0) process.stderr.columns = usualWidth
  const keys = new Keys()
  process.stdin.on('keypress', keys.listen)
  try {
    const answer = await ask({ output: process.stderr, signal: keys.left.signal })
    if (typeof answer === 'symbol') throw new CommandError('cancelled', 'cancelled; nothing was changed.')
    if (length === 'one line' && keys.hasMore)
      throw new CommandError('usage', 'what was pasted has more than one line, and a prompt ends with the first; nothing was changed. Give it on stdin: `keyward set NAME < file`.')
    return answer
  } finally {
    process.stdin.off('keypress', keys.listen)
  }
}

/** What the prompt does not look at: Ctrl-D, after which it would wait for ever, and what stands behind the end of a line that was pasted. */
class Keys {
  readonly left = new AbortController()
  hasMore = false
  #hasEnded = false

  readonly listen = (_: string | undefined, { ctrl, name }: Key): void => {
    if (ctrl === true && name === 'd') this.left.abort()
    const isEnd = name === 'return' || name === 'enter'
    if (this.#hasEnded && !isEnd && name !== 'paste-end') this.hasMore = true
    this.#hasEnded ||= isEnd
  }
}
