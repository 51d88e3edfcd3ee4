/** One call of a verb: its options, what it prints with, and the config that it opened. */
import type { Command } from 'commander'
import type { Project } from '../project/open.js'
import { Output } from './output.js'
import { report } from './report.js'

interface GlobalOptions {
  config?: string
  environment?: string
  json?: boolean
  quiet?: boolean
  verbose?: boolean
  color?: boolean
}

/** Before or behind the verb: both are habits. */
export function addGlobalOptions(command: Command): Command {
  return command
    .option('--config <folder>', 'where the search for keyward.config begins (default: here)')
    .option('--environment <name>', 'one of the environments of the config (default: KEYWARD_ENV, else what the config says)')
    .option('--json', 'print one JSON document')
    .option('--quiet', 'do not say which config is used')
    .option('--verbose', 'show the stack of an error')
    .option('--no-color', 'no colors; NO_COLOR does the same')
}

export class Call<Options = object> {
  readonly options: Options
  readonly output: Output
  readonly directory: string | undefined
  readonly environment: string | undefined
  readonly isVerbose: boolean
  #project: Project | undefined

  constructor(command: Command) {
    const own = command.opts<Options & GlobalOptions>()
    const outer = command.parent?.opts<GlobalOptions>() ?? {}
    this.options = own
    this.directory = own.config ?? outer.config
    this.environment = own.environment ?? outer.environment
    this.isVerbose = own.verbose === true || outer.verbose === true
    const hasColor = own.color !== false && outer.color !== false
    // So that prompts and whatever a config prints hold to it too.
    if (!hasColor) process.env['NO_COLOR'] = '1'
    this.output = new Output({ isJson: own.json === true || outer.json === true, isQuiet: own.quiet === true || outer.quiet === true, hasColor })
  }

  async open(): Promise<Project> {
    const { openProject } = await import('../project/open.js')
    this.#project ??= await openProject({ directory: this.directory, environment: this.environment })
    const { config, environment } = this.#project
    this.output.note(`${config.origin}, environment ${environment}`)
    return this.#project
  }

  /** What a document says of where its content is from. */
  get source(): { config?: string; environment?: string } {
    return this.#project === undefined ? {} : { config: this.#project.config.origin, environment: this.#project.environment }
  }

  async run(perform: () => Promise<number>): Promise<number> {
    try {
      return await perform()
    } catch (error) {
      return report(error, this.output, this.isVerbose, (text) => this.#project?.secrets.redact(text) ?? text)
    } finally {
      await this.#project?.secrets.close()
    }
  }
}

/** Makes an action for commander of what a verb does. */
export function action<Options>(perform: (call: Call<Options>, ...operands: string[]) => Promise<number>): (this: Command) => Promise<void> {
  return async function (this: Command): Promise<void> {
    const call = new Call<Options>(this)
    process.exitCode = await call.run(() => perform(call, ...this.args))
  }
}
