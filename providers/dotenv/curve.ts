/**
 * secp256k1 in plain arithmetic: for Bun, whose node:crypto does not have the curve, and for keys that are used once. It does the same steps for every bit of a
 * secret number, and still takes a time that depends on the numbers: where node:crypto has the curve, lasting keys go there.
 */

/** x and y. */
export type Point = readonly [bigint, bigint]
/** x·z², y·z³ and z, which is 0 at infinity. */
type Projective = readonly [bigint, bigint, bigint]

const field = 2n ** 256n - 2n ** 32n - 977n
/** How many multiples of the generator there are. */
export const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
export const generator: Point = [0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n, 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n]

/** @param scalar At least 1, and below the order. */
export function multiply(scalar: bigint, [x, y]: Point): Point {
  let [low, high]: [Projective, Projective] = [
    [1n, 1n, 0n],
    [x, y, 1n],
  ]
  for (let bit = 255n; bit >= 0n; bit--) {
    const sum = add(low, high)
    ;[low, high] = ((scalar >> bit) & 1n) === 0n ? [double(low), sum] : [sum, double(high)]
  }
  const inverse = power(low[2], field - 2n)
  return [modulo(low[0] * inverse * inverse), modulo(low[1] * inverse * inverse * inverse)]
}

/** Undefined where no point of the curve has it. */
export function pointAt(x: bigint, isOdd: boolean): Point | undefined {
  const root = power(modulo(x * x * x + 7n), (field + 1n) / 4n)
  const y = ((root & 1n) === 1n) === isOdd ? root : field - root
  return isOnCurve([x, y]) ? [x, y] : undefined
}

export function isOnCurve([x, y]: Point): boolean {
  return x < field && y < field && modulo(y * y - x * x * x - 7n) === 0n
}

function double([x, y, z]: Projective): Projective {
  const square = modulo(y * y)
  const middle = modulo(4n * x * square)
  const slope = modulo(3n * x * x)
  const doubled = modulo(slope * slope - 2n * middle)
  return [doubled, modulo(slope * (middle - doubled) - 8n * square * square), modulo(2n * y * z)]
}

function add(left: Projective, right: Projective): Projective {
  if (left[2] === 0n) return right
  if (right[2] === 0n) return left
  const [leftSquare, rightSquare] = [modulo(left[2] * left[2]), modulo(right[2] * right[2])]
  const [leftX, rightX] = [modulo(left[0] * rightSquare), modulo(right[0] * leftSquare)]
  const [leftY, rightY] = [modulo(left[1] * right[2] * rightSquare), modulo(right[1] * left[2] * leftSquare)]
  const [run, rise] = [modulo(rightX - leftX), modulo(rightY - leftY)]
  if (run === 0n) return rise === 0n ? double(left) : [1n, 1n, 0n]
  const [square, cube] = [modulo(run * run), modulo(run * run * run)]
  const middle = modulo(leftX * square)
  const x = modulo(rise * rise - cube - 2n * middle)
  return [x, modulo(rise * (middle - x) - leftY * cube), modulo(run * left[2] * right[2])]
}

function power(value: bigint, exponent: bigint): bigint {
  let [result, base] = [1n, modulo(value)]
  for (let left = exponent; left > 0n; left >>= 1n) {
    if ((left & 1n) === 1n) result = modulo(result * base)
    base = modulo(base * base)
  }
  return result
}

function modulo(value: bigint): bigint {
  const rest = value % field
  return rest < 0n ? rest + field : rest
}
