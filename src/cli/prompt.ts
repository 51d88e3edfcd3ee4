/** Questions to a person. On stderr, so that stdout holds the result alone. */
import { CommandError } from './exit-codes.js'

export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY
}

/** Shows nothing of what is typed, its length neither. */
export async function askHidden(message: string): Promise<string> {
  const { password } = await import('@clack/prompts')
  return answered<string>(await password({ message, mask: '', output: process.stderr }))
}

export async function askYesNo(message: string): Promise<boolean> {
  const { confirm } = await import('@clack/prompts')
  return answered<boolean>(await confirm({ message, initialValue: false, output: process.stderr }))
}

export async function askWhich<Choice extends string>(message: string, choices: readonly { value: Choice; hint: string }[]): Promise<Choice> {
  const { select } = await import('@clack/prompts')
  const options = choices.map(({ value, hint }) => ({ value: value as string, label: value, hint }))
  return answered(await select<string>({ message, options, output: process.stderr })) as Choice
}

function answered<Answer>(answer: Answer | symbol): Answer {
  if (typeof answer === 'symbol') throw new CommandError('cancelled', 'cancelled; nothing was changed.')
  return answer
}
