import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSecrets, isSecretError } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createBackend } from './backend.js'

/** Every name of up to three letters: what the oracle goes through one by one. */
const letters = ['a', 'b', 'A', '-', '_']
const names = letters.flatMap((first) => [first, ...letters.flatMap((second) => [first + second, ...letters.map((third) => first + second + third)])])

const name = fc.constantFrom(...names.filter(({ length }) => length < 3))
const pattern = fc.oneof(
  name,
  name.map((prefix) => `${prefix}*`),
  fc.constant('*'),
)
const reference = fc.record({
  id: fc.constantFrom('a', 'b', 'A', 'ab', 'doc', 'doc2', '-'),
  star: fc.constantFrom('none', 'id', 'id before', 'field', 'field after'),
  field: fc.option(fc.constantFrom('a', 'b'), { nil: undefined }),
})
const table = fc.array(fc.tuple(pattern, reference), { maxLength: 4 }).map((entries) =>
  Object.fromEntries(
    entries.map(([from, { id, star, field }]) => {
      const mayStar = from.endsWith('*')
      if (!mayStar || star === 'none') return [from, `${id}${field === undefined ? '' : `#${field}`}`]
      if (star === 'id') return [from, `${id}*${field === undefined ? '' : `#${field}`}`]
      if (star === 'id before') return [from, `*${id}${field === undefined ? '' : `#${field}`}`]
      return [from, star === 'field' ? `${id}#*` : `${id}#x*${field ?? ''}`]
    }),
  ),
)
const parts = fc.constantFrom<Partial<SecretProvider>>(
  {},
  { canonical: (id) => id.toLowerCase() },
  { locate: (given) => ({ id: given.replaceAll('_', '-') }) },
  { locate: (given) => ({ id: `a/${given}` }), canonical: (id) => id.toLowerCase() },
  { locate: (given) => ({ id: 'doc', field: given }) },
)

interface Location {
  id: string
  field: string | undefined
}

/** As the design says it, by the longest matching text, with no sets and no samples. */
function locationOf(given: string, references: Readonly<Record<string, string>>, { locate, canonical }: Partial<SecretProvider>): Location {
  const [key, text] = Object.entries(references)
    .filter(([from]) => (from.endsWith('*') ? given.startsWith(from.slice(0, -1)) : from === given))
    .toSorted(([left], [right]) => Number(left.endsWith('*')) - Number(right.endsWith('*')) || right.length - left.length)[0] ?? ['', undefined]
  const star = given.slice(key.length - 1)
  const [id = '', field] = text === undefined ? [] : text.split('#').map((part) => part.replace('*', () => star))
  const found = text === undefined ? (locate?.(given) ?? { id: given, field: undefined }) : { id, field }
  return { id: canonical?.(found.id) ?? found.id, field: found.field }
}

const touches = (left: Location, right: Location): boolean => left.id === right.id && (left.field === undefined || right.field === undefined || left.field === right.field)
const matches = (from: string, given: string): boolean => (from.endsWith('*') ? given.startsWith(from.slice(0, -1)) : from === given)

it('no name leads to a location that a denied name has', async () => {
  await fc.assert(
    fc.asyncProperty(table, parts, fc.array(pattern, { minLength: 1, maxLength: 2 }), fc.array(name, { minLength: 3, maxLength: 6 }), async (references, shape, deny, wanted) => {
      const { provider, requests } = createBackend(undefined, shape)
      let secrets
      try {
        secrets = createSecrets<string>({ provider, references, cache: false })
      } catch (error) {
        fc.pre(!isSecretError(error, 'invalid-config'))
        throw error
      }
      // A name that leaves the field of its reference empty has no location at all.
      const denied = names
        .filter((given) => deny.some((from) => matches(from, given)))
        .map((given) => locationOf(given, references, shape))
        .filter(({ field }) => field !== '')
      const scope = secrets.scope({ allow: ['*'], deny })
      for (const given of wanted) {
        const before = requests.length
        const location = locationOf(given, references, shape)
        const code: unknown = await scope.getSecret(given).then(
          () => 'ok',
          (error: unknown) => (isSecretError(error) ? error.code : error),
        )
        const isDenied = denied.some((other) => touches(other, location)) || deny.some((from) => matches(from, given))
        if (isDenied) expect([location.field === '' ? 'denied' : code, requests.length], `${given} at ${JSON.stringify(location)}`).toEqual(['denied', before])
      }
    }),
    { numRuns: 1_500 },
  )
}, 60_000)

it('a name is refused for its location only where a denied name may have it', async () => {
  await fc.assert(
    fc.asyncProperty(table, fc.array(name, { minLength: 1, maxLength: 2 }), fc.array(name, { minLength: 3, maxLength: 6 }), async (references, deny, wanted) => {
      const { provider } = createBackend()
      let secrets
      try {
        secrets = createSecrets<string>({ provider, references, cache: false })
      } catch (error) {
        fc.pre(!isSecretError(error, 'invalid-config'))
        throw error
      }
      const denied = deny.map((given) => locationOf(given, references, {}))
      const scope = secrets.scope({ allow: ['*'], deny })
      for (const given of wanted) {
        const error: unknown = await scope.getSecret(given).catch((thrown: unknown) => thrown)
        if (!isSecretError(error, 'denied')) continue
        expect(deny.includes(given) || denied.some((other) => touches(other, locationOf(given, references, {}))), `of ${given}`).toBe(true)
      }
    }),
    { numRuns: 500 },
  )
}, 60_000)
