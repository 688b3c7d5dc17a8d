/** What one benchmark has to say: a heading, how it was taken, and rows of figures with their targets. */
export interface Section {
  readonly title: string
  /** How the figures were taken, in a sentence or two. */
  readonly how: string
  readonly rows: readonly Row[]
}

export interface Row {
  readonly what: string
  readonly figure: string
  /** The target as words, e.g. "at least 50 %"; absent for a figure that stands for itself. */
  readonly target?: string
  readonly met?: boolean
  /** What bounds it, where the target is missed. */
  readonly bound?: string
}

export type Print = (line: string) => void

/** How large a run is: `full` makes the published page, `short` shows that the benchmarks run at all. */
export type Scale = 'full' | 'short'

/** The value at `part` (0 to 1) of the sorted numbers, nearest rank. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN
}

export const perSecond = (count: number, ms: number): number => (1000 * count) / ms

export const rate = (value: number): string => `${Math.round(value).toLocaleString('en')}/s`
export const percent = (part: number): string => `${Math.round(100 * part)} %`
export const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
