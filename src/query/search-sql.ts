import { Fault, type FaultDetail } from '../base/fault.ts'
import type { SearchCursor, SearchFilter } from './port.ts'
import { timeMsMax, timeMsMin, wordsOf } from './row.ts'
import { database } from './server.ts'

/** A statement and what its `{name:Type}` stand for: no value ever becomes part of the text. */
export interface Sql {
  readonly text: string
  readonly params: Readonly<Record<string, unknown>>
}

/** Bounds of one search. */
export const searchLimitMax = 1_000
export const valuesMax = 100
export const wordsMax = 32

type FactFilter = keyof typeof factFilters

/**
 * Filters over facts. `any`: what an index can rule out whole granules by, true for a row when some fact has a value.
 * `one`: the same of one fact, whose columns are the arguments of a lambda over the parallel arrays.
 */
const factFilters = {
  principals: { column: 'fact_principal', list: false, index: 'fact_principal' },
  runs: { column: 'fact_run', list: false, index: 'fact_run' },
  sessions: { column: 'fact_session', list: false, index: 'fact_session' },
  servers: { column: 'fact_server', list: false, index: 'fact_server' },
  tools: { column: 'fact_tools', list: true, index: 'tools' },
  decisions: { column: 'fact_decision', list: false, index: 'fact_decision' },
  denyReasons: { column: 'fact_deny_reason', list: false, index: 'fact_deny_reason' },
  sideEffects: { column: 'fact_side_effect', list: false, index: 'fact_side_effect' },
  leases: { column: 'fact_lease', list: false, index: 'fact_lease' },
  policies: { column: 'fact_policies', list: true, index: 'policies' },
} as const satisfies Partial<
  Record<keyof SearchFilter, { readonly column: string; readonly list: boolean; readonly index: string }>
>

/** The statement that finds `count` rows, newest first. Throws `Fault('invalid-request')`. */
export function searchSql(ledger: string, filter: SearchFilter, count: number, after?: SearchCursor): Sql {
  const words = (filter.words ?? []).flatMap(wordsOf)
  refuseUnfit(filter, words, after)
  const params: Record<string, unknown> = { ledger, count }
  const conditions = ['ledger = {ledger:String}', ...timeConditions(filter, params, after)]
  if (filter.types !== undefined) {
    params['types'] = filter.types
    conditions.push('type IN {types:Array(String)}')
  }
  conditions.push(...factConditions(filter, params))
  if (words.length > 0) {
    params['words'] = [...new Set(words)]
    conditions.push('hasAllTokens(reasons, {words:Array(String)})')
  }
  // A row that got in twice stands beside itself in this order.
  const text = `SELECT seq, lower(hex(leaf_hash)) AS leafHash, toUnixTimestamp64Milli(time) AS timeMs, entry,
      base64Encode(signature) AS signature
    FROM ${database}.entries
    WHERE ${conditions.join('\n      AND ')}
    ORDER BY time DESC, seq DESC
    LIMIT 1 BY seq
    LIMIT {count:UInt32}`
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

function factConditions(filter: SearchFilter, params: Record<string, unknown>): string[] {
  const given = (Object.keys(factFilters) as FactFilter[]).filter(name => filter[name] !== undefined)
  for (const name of given) params[name] = filter[name]
  const conditions = given.map(name => `hasAny(${factFilters[name].index}, {${name}:Array(String)})`)
  if (given.length > 1) {
    const one = given.map(name =>
      factFilters[name].list ? `hasAny(${name}_, {${name}:Array(String)})` : `has({${name}:Array(String)}, ${name}_)`,
    )
    const columns = given.map(name => factFilters[name].column)
    conditions.push(
      `arrayExists((${given.map(name => `${name}_`).join(', ')}) -> ${one.join(' AND ')}, ${columns.join(', ')})`,
    )
  }
  return conditions
}

function refuseUnfit(filter: SearchFilter, words: readonly string[], after?: SearchCursor): void {
  const errors: FaultDetail[] = []
  const wrong = (pointer: string, detail: string): void => void errors.push({ pointer, detail })
  for (const name of ['types', ...Object.keys(factFilters)] as (FactFilter | 'types')[]) {
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
