/** Parts of dotenv files, for properties of what reads and changes them. */
import * as fc from 'fast-check'

export const newline = fc.constantFrom('\n', '\r\n', '\r')
export const space = fc.constantFrom('', ' ', '\t', '  ')
const plain = fc.stringMatching(/^[A-Za-z0-9$:/@.=\\-]([A-Za-z0-9 $:/@.='"\\-]{0,10}[A-Za-z0-9$])?$/)
const quoted = fc
  .constantFrom(`'`, '"', '`')
  .chain((quote) =>
    fc
      .array(fc.constantFrom('a', 'Z', '0', ' ', '#', '=', '$', '\n', '\\n', 'export ', '\nA=1', 'X=1', `'`, '"', '`'), { maxLength: 8 })
      .map((pieces) => quote + pieces.filter((piece) => piece !== quote).join('') + quote),
  )

/** The members of one line; the comment, with its `#`, stands after `after`. */
export const assignmentOf = (name: fc.Arbitrary<string>, comment: fc.Arbitrary<string>) =>
  fc.record({
    indent: space,
    exported: fc.constantFrom('', 'export ', 'export\t'),
    name,
    separator: fc.constantFrom('=', ' = ', ': ', '= '),
    value: fc.oneof(plain, quoted, fc.constant('')),
    after: space,
    comment: fc.option(comment, { nil: '' }),
  })
