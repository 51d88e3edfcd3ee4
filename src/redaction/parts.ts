/** What of a value is a secret by itself, wherever it stands without the rest. */

/** Characters: what is shorter is everyday text, and is replaced only where it is all that stands there. */
export const shortest = 8

/** The value and its parts, each once: the password of a connection string, the lines of a PEM and their joined body. Of documents the leaves are known as values of their own. */
export function partsOf(value: string): readonly string[] {
  const parts = [value, ...passwordsOf(value), ...linesOf(value)]
  return [...new Set(parts)].filter((part) => part.length >= shortest)
}

/** As it stands in the URL, and as it is sent. */
function passwordsOf(value: string): readonly string[] {
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]*?:([^/?#\s]*)@/i.exec(value)?.[1]
  if (password === undefined || password === '') return []
  try {
    return [password, decodeURIComponent(password)]
  } catch {
    return [password]
  }
}

const boundary = /^-----(?:BEGIN|END) [A-Z0-9 ]+-----$/

function linesOf(value: string): readonly string[] {
  if (!value.includes('-----BEGIN ')) return []
  const lines = value.split(/\r?\n|\\n/).map((line) => line.trim())
  const parts: string[] = []
  let body: string[] = []
  for (const line of lines) {
    if (!boundary.test(line)) {
      // Headers of an encrypted key are no secret.
      if (line !== '' && !/^[A-Za-z-]+: /.test(line)) body.push(line)
    } else if (body.length > 0) {
      parts.push(...body, body.join(''), body.join('\n'))
      body = []
    }
  }
  return parts
}
