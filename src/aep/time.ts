/**
 * Milliseconds since the epoch of an RFC 3339 date-time (section 5.6), or of a bare `full-date`, read as the moment it
 * begins in UTC; `undefined` for any other text. Digits beyond the millisecond are cut off; a leap second is the first
 * moment of the next minute. A date-time without an offset is no moment, and is refused.
 */
export function momentMs(text: string): number | undefined {
  const date = readDate(text)
  if (date === undefined) return undefined
  return text.length === 10 ? date : readTime(text, date)
}

/** Whether `text` is an RFC 3339 date-time: what CloudEvents takes for `time`. */
export const isDateTime = (text: string): boolean => text.length > 10 && momentMs(text) !== undefined

/** RFC 3339 UTC with milliseconds, or `undefined` when `ms` is outside the years 0 to 9999 or no integer. */
export function momentText(ms: number): string | undefined {
  if (!Number.isInteger(ms) || ms < earliestMs || ms > latestMs) return undefined
  return new Date(ms).toISOString()
}

const dayMs = 86_400_000
const earliestMs = -62_167_219_200_000
const latestMs = 253_402_300_799_999

/** `count` digits at `at`, or NaN. */
function digits(text: string, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

function readDate(text: string): number | undefined {
  if (text[4] !== '-' || text[7] !== '-') return undefined
  const year = digits(text, 0, 4)
  const month = digits(text, 5, 2)
  const day = digits(text, 8, 2)
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month))) return undefined
  return daysSinceEpoch(year, month, day) * dayMs
}

function readTime(text: string, date: number): number | undefined {
  if ((text[10] !== 'T' && text[10] !== 't') || text[13] !== ':' || text[16] !== ':') return undefined
  const hour = digits(text, 11, 2)
  const minute = digits(text, 14, 2)
  const second = digits(text, 17, 2)
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return undefined
  let at = 19
  let fraction = 0
  if (text[at] === '.') {
    const from = ++at
    while (!Number.isNaN(digits(text, at, 1))) at++
    if (at === from) return undefined
    fraction = digits(text.slice(from, at).padEnd(3, '0'), 0, 3)
  }
  const offset = readOffset(text, at)
  if (offset === undefined) return undefined
  // A leap second has no fraction of its own: it is all the first moment of the next minute.
  const ms = date + ((hour * 60 + minute) * 60 + second) * 1000 + (second === 60 ? 0 : fraction)
  return ms - offset
}

/** Offset in ms of the rest of `text`, which must be all of it. */
function readOffset(text: string, at: number): number | undefined {
  const sign = text[at]
  if (sign === 'Z' || sign === 'z') return text.length === at + 1 ? 0 : undefined
  if ((sign !== '+' && sign !== '-') || text[at + 3] !== ':' || text.length !== at + 6) return undefined
  const hours = digits(text, at + 1, 2)
  const minutes = digits(text, at + 4, 2)
  if (!(hours <= 23 && minutes <= 59)) return undefined
  return (sign === '+' ? 1 : -1) * (hours * 60 + minutes) * 60_000
}

const isLeap = (year: number) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
const daysIn = (year: number, month: number) =>
  month === 2 ? (isLeap(year) ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31

/** Days from 1970-01-01 in the proleptic Gregorian calendar, counting years from March so that leap days come last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
