/** A unit always: `'250ms'`, `'5m'`, `'90d'`. A bare number is `invalid-config`, since half the field means seconds and half milliseconds. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const unitMilliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of a duration; undefined where it is none: no unit, a sign, an exponent, or no string at all. */
export function durationMilliseconds(value: unknown): number | undefined {
  const match = typeof value === 'string' ? /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(value) : null
  const unit = unitMilliseconds[match?.[2] ?? '']
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit
}
