/** Whether the decimal value of `literal` differs from that of the shortest decimal that reads back as `number`. */
export function isLossy(literal: string, number: number): boolean {
  const shortest = String(number)
  if (shortest === literal) return false
  if (!Number.isFinite(number)) return true
  const said = decimal(literal)
  const held = decimal(shortest)
  return said.digits !== held.digits || (said.digits !== '' && said.exponent !== held.exponent)
}

/** A literal's magnitude as digits x 10^exponent, without zeros at either end; the sign is always kept by a double. */
function decimal(literal: string): { digits: string; exponent: number } {
  const [, whole = '', fraction = '', power = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? []
  const digits = trimEnd(whole + fraction)
  const cut = whole.length + fraction.length - digits.length
  return { digits: digits.replace(/^0+/, ''), exponent: Number(power) - fraction.length + cut }
}

/** Without trailing zeros, in linear time (`/0+$/` is quadratic on long runs of zeros). */
function trimEnd(digits: string): string {
  let end = digits.length
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end--
  return digits.slice(0, end)
}
