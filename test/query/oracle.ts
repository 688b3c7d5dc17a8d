import type { SearchFilter } from '../../src/query/port.ts'
import type { FactRow, Row } from '../../src/query/row.ts'
import { wordsOf } from '../../src/query/terms.ts'

/** What a search finds, said a second time: rows one by one, facts one by one, no index and no SQL. Newest first. */
export function searchRows(rows: readonly Row[], filter: SearchFilter): readonly Row[] {
  const among = (values: readonly string[] | undefined, value: string | readonly string[]): boolean =>
    values === undefined || [value].flat().some(one => values.includes(one))
  const byFact = (fact: FactRow): boolean =>
    among(filter.principals, fact.principal) &&
    among(filter.runs, fact.run) &&
    among(filter.sessions, fact.session) &&
    among(filter.servers, fact.server) &&
    among(filter.tools, fact.tools) &&
    among(filter.decisions, fact.decision) &&
    among(filter.denyReasons, fact.denyReason) &&
    among(filter.sideEffects, fact.sideEffect) &&
    among(filter.leases, fact.lease) &&
    among(filter.policies, fact.policies)
  const { sinceMs, untilMs, types, words, ...ofFacts } = filter
  return rows
    .filter(
      row =>
        (sinceMs === undefined || row.timeMs >= sinceMs) &&
        (untilMs === undefined || row.timeMs < untilMs) &&
        among(types, row.type) &&
        (Object.keys(ofFacts).length === 0 || row.facts.some(byFact)) &&
        (words ?? []).flatMap(wordsOf).every(word => wordsOf(row.reasons).includes(word)),
    )
    .toSorted((a, b) => b.timeMs - a.timeMs || b.seq - a.seq)
}
