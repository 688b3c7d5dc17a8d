import { momentMs as dateMs } from '../aep/time.ts'

/** Moments as parameters give them: RFC 3339, or whole milliseconds since the epoch. */

const wholeMs = /^-?(?:0|[1-9]\d{0,14})$/

/** What `momentMs` reads, for schemas: a superset, which leaves the days of a month to it. */
export const momentPattern = /^(?:-?(?:0|[1-9]\d{0,14})|\d{4}-\d\d-\d\d(?:[Tt][\d:.]{8,40}(?:[Zz]|[+-]\d\d:\d\d))?)$/

/** Milliseconds since the epoch of a whole number, or of an RFC 3339 date-time or date; `undefined` for other text. */
export const momentMs = (text: string): number | undefined => (wholeMs.test(text) ? Number(text) : dateMs(text))
