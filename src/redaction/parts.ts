/** What of a value is a secret by itself, wherever it stands without the rest. */

/** Characters: what is shorter is everyday text, and is replaced only where it is all that stands there. */
export const shortest = 8

/** The value and its parts, each once: the password of a connection string, the lines of a PEM and their joined body. Of documents the leaves are known as values of their own. */
export function partsOf(value: string): readonly string[] {
  const lines = linesOf(value)
  // The boundaries of a PEM are everyday text: without them its body is the value.
  const parts = [...(lines.length > 0 && value.trimStart().startsWith('-----BEGIN ') ? [] : [value]), ...passwordsOf(value), ...lines]
  return [...new Set(parts)].filter((part) => part.length >= shortest)
}

/** As it stands in the URL, and as it is sent. What stands before the last @ counts: passwords are often not encoded as they should be. */
function passwordsOf(value: string): readonly string[] {
  const parts: string[] = []
  for (const [, user = ''] of value.matchAll(/(?:^|[\s=:"'])[a-z][a-z0-9+.-]*:\/\/(\S*)@/gi)) {
    const password = user.includes(':') ? user.slice(user.indexOf(':') + 1) : user
    parts.push(password)
    try {
      parts.push(decodeURIComponent(password))
    } catch {
      // It is not encoded, and has a "%".
    }
  }
  return parts
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
