/**
 * RFC 9110 section 12.5.1: the one of `offered` that `accept` likes best, the first offered where it likes several alike;
 * `undefined` where it takes none. Without a header anything is taken. Parameters other than `q` are not looked at.
 */
export function negotiate(accept: string | undefined, offered: readonly string[]): string | undefined {
  const [first] = offered
  if (accept === undefined || accept === '*/*' || accept === first) return first
  const ranges = accept.split(',').map(rangeOf)
  let best: string | undefined
  let bestQ = 0
  for (const type of offered) {
    const q = qualityOf(type, ranges)
    if (q > bestQ) {
      best = type
      bestQ = q
    }
  }
  return best
}

interface Range {
  readonly type: string
  readonly q: number
}

function rangeOf(text: string): Range {
  const [type = '', ...parameters] = text.split(';').map(part => part.trim().toLowerCase())
  const q = parameters.find(parameter => parameter.startsWith('q='))?.slice(2)
  const value = q === undefined ? 1 : /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q) : 0
  return { type, q: value }
}

/** The most specific range decides: the type itself, then `type/*`, then anything. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const names = [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*']
  for (const name of names) {
    const range = ranges.find(candidate => candidate.type === name)
    if (range !== undefined) return range.q
  }
  return 0
}
