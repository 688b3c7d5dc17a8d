import type { Remark } from './findings.ts'

/** What is followed of the emitters of a ledger, by their sources: their numbering and their clocks. */
export interface EmitterTrail {
  /** Takes note of an event at a place, and says what is odd about its time among the others of its source. */
  note(source: number, seq: number, timeMs: number, sequence: number): Remark | undefined
  /** An aep.gap: the emitter gave these numbers up. */
  declare(source: number, first: number, last: number): void
  /** Holes that no gap declares, each at the place where it was noticed. */
  holes(): Iterable<{ readonly seq: number; readonly remark: Remark }>
  /** False once there were more sources or holes than are followed. */
  readonly complete: boolean
}

/** Numbers of a source that have not come, first to last, inclusive; noticed at `seq`. */
interface Hole {
  readonly first: number
  readonly last: number
  readonly seq: number
}

interface Source {
  timeMs: number
  /** Greatest number so far; NaN before the first. */
  greatest: number
  holes: Hole[]
  declared: { readonly first: number; readonly last: number }[]
}

/** Follows at most `rangesMax` sources, and as many holes among them. Memory: some 300 bytes each. */
export function emitterTrail(rangesMax: number): EmitterTrail {
  const sources = new Map<number, Source>()
  let ranges = 0
  let complete = true

  const sourceOf = (id: number): Source | undefined => {
    const known = sources.get(id)
    if (known !== undefined) return known
    if (sources.size >= rangesMax) return undefined
    const fresh = { timeMs: Number.NEGATIVE_INFINITY, greatest: Number.NaN, holes: [], declared: [] }
    sources.set(id, fresh)
    return fresh
  }

  const number = (source: Source, seq: number, sequence: number): void => {
    if (Number.isNaN(sequence)) return
    if (sequence > source.greatest + 1) {
      if (ranges < rangesMax) source.holes.push({ first: source.greatest + 1, last: sequence - 1, seq })
      else complete = false
      ranges++
    } else if (sequence <= source.greatest && source.holes.length > 0) {
      const before = source.holes.length
      source.holes = source.holes.flatMap(hole => without(hole, sequence, sequence))
      ranges += source.holes.length - before
    }
    if (!(sequence <= source.greatest)) source.greatest = sequence
  }

  return {
    note(id, seq, timeMs, sequence) {
      const source = sourceOf(id)
      if (source === undefined) {
        if (!Number.isNaN(sequence)) complete = false
        return undefined
      }
      number(source, seq, sequence)
      const before = source.timeMs
      if (Number.isNaN(timeMs)) return undefined
      source.timeMs = timeMs
      if (timeMs >= before) return undefined
      const cause = 'The event before of this source happened later.'
      return { code: 'time-order', cause, expected: `${iso(before)} or later`, found: iso(timeMs) }
    },
    declare(id, first, last) {
      const source = sourceOf(id)
      if (source === undefined || ranges >= rangesMax) complete = false
      else {
        source.declared.push({ first, last })
        ranges++
      }
    },
    *holes() {
      const open = [...sources.values()].flatMap(({ holes, declared }) =>
        declared.reduce((left, { first, last }) => left.flatMap(hole => without(hole, first, last)), holes),
      )
      for (const { first, last, seq } of open.sort((a, b) => a.seq - b.seq)) {
        const numbers = first === last ? `number ${first}` : `numbers ${first} to ${last}`
        const cause = 'The emitter numbers its events, and these never came.'
        yield { seq, remark: { code: 'sequence-hole', cause, expected: numbers, found: 'nothing' } }
      }
    },
    get complete() {
      return complete
    },
  }
}

/** What is left of a hole when `first` to `last` are taken out of it. */
function without(hole: Hole, first: number, last: number): Hole[] {
  if (last < hole.first || first > hole.last) return [hole]
  return [
    { ...hole, last: first - 1 },
    { ...hole, first: last + 1 },
  ].filter(part => part.first <= part.last)
}

const iso = (ms: number): string => new Date(ms).toISOString()
