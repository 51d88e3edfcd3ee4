import { canary } from './encodings.js'

const { value } = canary

/** A raw error as clients throw them: with the canary wherever it can be. */
export function rawError(): Error {
  const error = new Error(`request failed: ${value}`, { cause: new Error(value, { cause: { body: value } }) })
  error.stack = `Error: ${value}\n    at ${value}`
  error.name = value
  return Object.assign(error, {
    status: 500,
    body: value,
    response: { headers: { authorization: `Bearer ${value}` }, data: value },
    config: { token: value },
    [Symbol('request')]: value,
    [value]: 1,
  })
}

/** What a provider may throw, by what it is. */
export const thrown: Readonly<Record<string, () => unknown>> = {
  'an error': rawError,
  'an error of several': () => new AggregateError([rawError()], value),
  'a text': () => value,
  'an object': () => ({ message: value, toString: () => value }),
  'an object without a prototype': () => Object.assign(Object.create(null) as object, { message: value }),
  'an error whose getters throw': () =>
    Object.defineProperties(new Error('x'), {
      message: {
        get: () => {
          throw rawError()
        },
      },
      code: {
        get: () => {
          throw rawError()
        },
      },
    }),
  'a promise': () => Promise.resolve(value),
  'a function': () => Object.assign(() => value, { message: value }),
  'an abort': () => new DOMException(value, 'AbortError'),
}
