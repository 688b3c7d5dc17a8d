import { Fault, type FaultDetail } from '../base/fault.ts'
import type { SearchCursor, SearchFilter } from './port.ts'
import { timeMsMax, timeMsMin } from './row.ts'
import { database } from './server.ts'
import { type FactFilter, factFilters, factTerms, isCut, termOf, typeTerm, wordsOf, wordTerm } from './terms.ts'

/** A statement and what its `{name:Type}` stand for: no value ever becomes part of the text. */
export interface Sql {
  readonly text: string
  readonly params: Readonly<Record<string, unknown>>
}

/** Bounds of one search. */
export const searchLimitMax = 1_000
export const valuesMax = 100
export const wordsMax = 32

/** Columns of facts, in parallel: arguments of the lambda that asks for one fact with everything. */
const factColumns = {
  principals: 'fact_principal',
  runs: 'fact_run',
  sessions: 'fact_session',
  servers: 'fact_server',
  tools: 'fact_tools',
  decisions: 'fact_decision',
  denyReasons: 'fact_deny_reason',
  sideEffects: 'fact_side_effect',
  leases: 'fact_lease',
  policies: 'fact_policies',
} as const satisfies Record<FactFilter, string>

const isList = (name: FactFilter): boolean => name === 'tools' || name === 'policies'

/**
 * The statement that finds `count` rows, newest first. Throws `Fault('invalid-request')`.
 *
 * It finds the rows' keys first, because only a query that reads next to nothing else is answered from the index of terms
 * alone; then it reads the rows. A row that got in twice stands beside itself: taking it out is the reader's, for
 * `LIMIT 1 BY` would read the whole ledger.
 */
export function searchSql(ledger: string, filter: SearchFilter, count: number, after?: SearchCursor): Sql {
  const words = (filter.words ?? []).flatMap(wordsOf)
  refuseUnfit(filter, words, after)
  const params: Record<string, unknown> = { ledger, count }
  const conditions = [
    'ledger = {ledger:String}',
    ...timeConditions(filter, params, after),
    ...termConditions(filter, words, params),
    ...sameFactConditions(filter, params),
  ]
  const text = `SELECT seq, lower(hex(leaf_hash)) AS leafHash, toUnixTimestamp64Milli(time) AS timeMs, entry,
  base64Encode(signature) AS signature
FROM ${database}.entries
WHERE ledger = {ledger:String} AND (time, seq) IN (
  SELECT time, seq FROM ${database}.entries
  WHERE ${conditions.join('\n    AND ')}
  ORDER BY time DESC, seq DESC LIMIT {count:UInt32})
ORDER BY time DESC, seq DESC LIMIT {count:UInt32}`
  return { text, params }
}

function timeConditions(filter: SearchFilter, params: Record<string, unknown>, after?: SearchCursor): string[] {
  const { sinceMs, untilMs } = filter
  const conditions: string[] = []
  if (sinceMs !== undefined) {
    params['since'] = clamp(sinceMs)
    conditions.push(`time >= ${moment('since')}`)
    // After the last moment that a row can hold there is none.
    if (sinceMs > timeMsMax) conditions.push('false')
  }
  if (untilMs !== undefined && untilMs <= timeMsMax) {
    params['until'] = clamp(untilMs)
    conditions.push(`time < ${moment('until')}`)
  }
  if (after !== undefined) {
    params['afterTime'] = clamp(after.timeMs)
    params['afterSeq'] = after.seq
    conditions.push(`time <= ${moment('afterTime')}`, `(time < ${moment('afterTime')} OR seq < {afterSeq:UInt64})`)
  }
  return conditions
}

const moment = (name: string): string => `fromUnixTimestamp64Milli({${name}:Int64}, 'UTC')`

const clamp = (ms: number): number => Math.min(Math.max(ms, timeMsMin), timeMsMax)

/** What every row that is found has among its terms: all of some, and one of several for each filter with alternatives. */
function termConditions(filter: SearchFilter, words: readonly string[], params: Record<string, unknown>): string[] {
  const all = words.map(word => termOf(wordTerm, word))
  const conditions: string[] = []
  const named = [['types', typeTerm], ...factFilters.map(name => [name, factTerms[name].term] as const)] as const
  for (const [name, term] of named) {
    const values = filter[name]
    const [first] = values ?? []
    if (values === undefined || first === undefined) continue
    if (values.length === 1) all.push(termOf(term, first))
    else {
      params[`any_${name}`] = values.map(value => termOf(term, value))
      conditions.push(`hasAny(terms, {any_${name}:Array(String)})`)
    }
  }
  if (all.length === 0) return conditions
  params['all'] = [...new Set(all)]
  return ['hasAll(terms, {all:Array(String)})', ...conditions]
}

/** Several filters over facts hold for one and the same fact; a single one is settled by the terms, if they are whole. */
function sameFactConditions(filter: SearchFilter, params: Record<string, unknown>): string[] {
  const given = factFilters.filter(name => filter[name] !== undefined)
  if (given.length < 2 && !given.some(name => filter[name]?.some(isCut))) return []
  for (const name of given) params[name] = filter[name]
  const one = given.map(name =>
    isList(name) ? `hasAny(${name}_, {${name}:Array(String)})` : `has({${name}:Array(String)}, ${name}_)`,
  )
  const columns = given.map(name => factColumns[name])
  return [`arrayExists((${given.map(name => `${name}_`).join(', ')}) -> ${one.join(' AND ')}, ${columns.join(', ')})`]
}

function refuseUnfit(filter: SearchFilter, words: readonly string[], after?: SearchCursor): void {
  const errors: FaultDetail[] = []
  const wrong = (pointer: string, detail: string): void => void errors.push({ pointer, detail })
  for (const name of ['types', ...factFilters] as const) {
    const values = filter[name]
    if (values === undefined) continue
    if (values.length === 0 || values.length > valuesMax) wrong(name, `takes 1 to ${valuesMax} values`)
    else if (values.includes('')) wrong(name, 'takes no empty value')
  }
  for (const word of filter.words ?? []) {
    if (wordsOf(word).length === 0) wrong('words', 'a word has a letter or a digit')
  }
  if (filter.words?.length === 0 || words.length > wordsMax) wrong('words', `takes 1 to ${wordsMax} words`)
  for (const name of ['sinceMs', 'untilMs'] as const) {
    if (filter[name] !== undefined && !Number.isSafeInteger(filter[name])) wrong(name, 'takes whole milliseconds')
  }
  if (
    after !== undefined &&
    !(Number.isSafeInteger(after.timeMs) && Number.isSafeInteger(after.seq) && after.seq >= 0)
  ) {
    wrong('cursor', 'is none that a search gave')
  }
  if (errors.length > 0) throw new Fault('invalid-request', 'the search does not fit', errors)
}
