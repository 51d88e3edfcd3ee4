/** Is one secret there, and may it be read? Asked without handing its value to anybody. */
import { failureOf, isSecretError, type CleanFailure } from '../errors/secret-error.js'
import type { CallContext, SecretVersion } from '../provider.js'
import { broken, fillSafely, versionDetails } from './answer.js'
import { HeldVersion, type VersionDetails } from './cache.js'
import type { CallResult } from './call.js'
import type { Core } from './core.js'
import type { ProviderInstance } from './instance.js'
import type { Candidate } from './resolver.js'
import { fieldOf, textsOf, ValueFailure } from './value.js'

/** Without a failure it is there. */
export interface Finding {
  readonly failure?: CleanFailure
  readonly candidate?: Candidate
  readonly attempts?: number
}

/** How a provider is asked. Undefined: it was not, or did not answer. */
export interface Asking {
  ask<Answer>(candidate: Candidate, run: (context: CallContext) => Promise<Answer>): Promise<CallResult<Answer> | undefined>
  get(candidate: Candidate): Promise<CallResult<SecretVersion> | undefined>
}

/** What one provider says of a name; undefined where it says nothing. */
export async function look(core: Core, name: string, instance: ProviderInstance, asking: Asking): Promise<Finding | undefined> {
  try {
    const candidate = core.resolver.at(name, instance)
    if ('flaw' in candidate) throw candidate.flaw
    const { provider, request } = candidate
    for (const part of ['version', 'stage'] as const) {
      if (request[part] !== undefined && provider.supports?.[part] !== true)
        return { failure: { code: 'unsupported', reason: part, fix: `This provider has no ${part}s: leave \`${part}\` out of the reference` }, candidate }
    }
    if (typeof provider.describe === 'function') return await describe(core, candidate, asking)
    // A get of these could mint a lease that nobody uses.
    if (provider.renew !== undefined || provider.revoke !== undefined) return undefined
    return await read(core, candidate, asking)
  } catch (error) {
    return { failure: isSecretError(error) ? failureOf(error) : { code: 'unavailable', reason: 'internal' } }
  }
}

async function describe(core: Core, candidate: Candidate, asking: Asking): Promise<Finding | undefined> {
  const { provider, request } = candidate
  const result = await asking.ask(candidate, async (context) => provider.describe?.({ ...request }, context))
  if (result === undefined) return undefined
  if (!result.ok) return { failure: result.failure, candidate, attempts: result.attempts }
  const details = detailsOf(result.answer)
  if (details === 'broken') return { failure: broken('description'), candidate, attempts: result.attempts }
  const limit = details?.limit ?? Infinity
  return limit > core.clock.now() ? { candidate } : { failure: { code: 'not-found', reason: 'expired', at: new Date(limit) }, candidate, attempts: result.attempts }
}

// A description is somebody else's object: its getters may throw.
function detailsOf(answer: unknown): VersionDetails | undefined | 'broken' {
  try {
    return versionDetails(answer as object)
  } catch {
    return 'broken'
  }
}

async function read(core: Core, candidate: Candidate, asking: Asking): Promise<Finding | undefined> {
  const { name, place } = candidate
  const result = await asking.get(candidate)
  if (result === undefined) return undefined
  const { attempts } = result
  if (!result.ok) return { failure: result.failure, candidate, attempts }
  const version = new HeldVersion()
  const now = core.clock.now()
  const { flaw } = fillSafely(version, result.answer, result.sentAt, now)
  if (flaw !== undefined) return { failure: flaw, candidate, attempts }
  for (const text of textsOf(version.stored)) core.known.add(text, name, now)
  const failure = place.field === undefined ? undefined : flawOf(() => fieldOf(version.stored, place.field ?? ''))
  return failure === undefined ? { candidate } : { failure, candidate, attempts }
}

function flawOf(run: () => unknown): CleanFailure | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return error instanceof ValueFailure ? error.failure : broken('value')
  }
}
