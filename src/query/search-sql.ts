import { Fault, type FaultDetail } from '../base/fault.ts'
import type { SearchCursor, SearchFilter } from './port.ts'
import { timeMsMax, timeMsMin } from './row.ts'
import { rowsTable } from './tables.ts'
import {
  decidedOf,
  decidedTerm,
  type FactFilter,
  factFilters,
  factsTerm,
  factTerms,
  termOf,
  typeTerm,
  valueCharsMax,
  wordsOf,
  wordTerm,
} from './terms.ts'

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
  const choices = choicesOf(filter)
  const where = [
    'ledger = {ledger:String}',
    ...seqConditions(filter, params),
    ...timeConditions(filter, params, after),
    ...anyConditions(choices, params),
  ]
  const all = allTerms(choices, words)
  const select = `SELECT seq, lower(hex(leaf_hash)) AS leafHash, toUnixTimestamp64Milli(time) AS timeMs, entry,
  base64Encode(signature) AS signature
FROM ${rowsTable}`
  // Where no term is asked for, the server itself reads the keys first, and then the columns of the rows that are left.
  if (choices.length === 0 && words.length === 0)
    return { text: `${select}\nWHERE ${where.join(' AND ')}\n${newest}`, params }
  const text = `${select}
WHERE ledger = {ledger:String} AND (time, seq) IN (${keysSql(where, all, sameFact(filter, params), params)})
${newest}`
  return { text, params }
}

const newest = 'ORDER BY time DESC, seq DESC LIMIT {count:UInt32}'

/**
 * Keys of rows that meet `where` and have all terms of `all`; and those of rows with several facts meet `sameFact`, where
 * it is given. Only they are asked: it reads columns, and most rows have one fact.
 */
function keysSql(
  where: readonly string[],
  all: readonly string[],
  sameFact: string | undefined,
  params: Record<string, unknown>,
): string {
  const keys = (name: string, terms: readonly string[], more: readonly string[]): string => {
    if (terms.length > 0) params[name] = terms
    const conditions = [...where, ...(terms.length > 0 ? [`hasAll(terms, {${name}:Array(String)})`] : []), ...more]
    return `SELECT time, seq FROM ${rowsTable} WHERE ${conditions.join(' AND ')} ${newest}`
  }
  if (sameFact === undefined) return keys('all', all, [])
  const one = keys('one', [...all, termOf(factsTerm, 'one')], [])
  const many = keys('many', [...all, termOf(factsTerm, 'many')], [sameFact])
  return `SELECT time, seq FROM (${one} UNION ALL ${many}) ${newest}`
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

function seqConditions({ lastSeq }: SearchFilter, params: Record<string, unknown>): string[] {
  if (lastSeq === undefined) return []
  params['lastSeq'] = lastSeq
  return ['seq <= {lastSeq:UInt64}']
}

const moment = (name: string): string => `fromUnixTimestamp64Milli({${name}:Int64}, 'UTC')`

const clamp = (ms: number): number => Math.min(Math.max(ms, timeMsMin), timeMsMax)

/** A row has one of these terms. */
interface Choice {
  readonly name: string
  readonly terms: readonly string[]
}

/**
 * What the filters ask of a row's terms. Decisions and tools go together, where that does not make too many: their common
 * list is short, and settles that both hold for one fact.
 */
function choicesOf(filter: SearchFilter): readonly Choice[] {
  const decided = decidedValues(filter)
  const choices: Choice[] = decided === undefined ? [] : [choiceOf('decided', decidedTerm, decided)]
  if (filter.types !== undefined) choices.push(choiceOf('types', typeTerm, filter.types))
  for (const name of factFilters) {
    const values = filter[name]
    if (values === undefined || (decided !== undefined && isDecided(name))) continue
    choices.push(choiceOf(name, factTerms[name].term, values))
  }
  return choices
}

const choiceOf = (name: string, term: string, values: readonly string[]): Choice => ({
  name,
  terms: [...new Set(values.map(value => termOf(term, value)))],
})

const isDecided = (name: FactFilter): boolean => name === 'decisions' || name === 'tools'

/** Values of `decidedTerm` that are asked for; `undefined` where not both are, or in too many ways. */
function decidedValues({ decisions, tools }: SearchFilter): readonly string[] | undefined {
  if (decisions === undefined || tools === undefined || decisions.length * tools.length > valuesMax) return undefined
  const values = decisions.flatMap(decision => tools.map(tool => decidedOf(decision, tool)))
  return values.every(value => value.length <= valueCharsMax) ? values : undefined
}

/** Terms that every row found has: words, and those that there is no choice of. */
function allTerms(choices: readonly Choice[], words: readonly string[]): readonly string[] {
  const only = choices.flatMap(({ terms }) => (terms.length === 1 ? terms : []))
  return [...new Set([...words.map(word => termOf(wordTerm, word)), ...only])]
}

/** One of several terms for each filter with alternatives. */
function anyConditions(choices: readonly Choice[], params: Record<string, unknown>): readonly string[] {
  const conditions: string[] = []
  for (const { name, terms } of choices) {
    if (terms.length === 1) continue
    params[`any_${name}`] = terms
    conditions.push(`hasAny(terms, {any_${name}:Array(String)})`)
  }
  return conditions
}

/** That several filters over facts hold for one and the same fact; `undefined` where the terms settle it. */
function sameFact(filter: SearchFilter, params: Record<string, unknown>): string | undefined {
  const given = factFilters.filter(name => filter[name] !== undefined)
  if (given.length < 2 || (given.every(isDecided) && decidedValues(filter) !== undefined)) return undefined
  for (const name of given) params[name] = filter[name]
  const one = given.map(name =>
    isList(name) ? `hasAny(${name}_, {${name}:Array(String)})` : `has({${name}:Array(String)}, ${name}_)`,
  )
  const columns = given.map(name => factColumns[name])
  return `arrayExists((${given.map(name => `${name}_`).join(', ')}) -> ${one.join(' AND ')}, ${columns.join(', ')})`
}

function refuseUnfit(filter: SearchFilter, words: readonly string[], after?: SearchCursor): void {
  const errors: FaultDetail[] = []
  const wrong = (pointer: string, detail: string): void => void errors.push({ pointer, detail })
  for (const name of ['types', ...factFilters] as const) {
    const values = filter[name]
    if (values === undefined) continue
    if (values.length === 0 || values.length > valuesMax) wrong(name, `takes 1 to ${valuesMax} values`)
    else if (values.some(value => value === '' || value.length > valueCharsMax)) {
      wrong(name, `takes values of 1 to ${valueCharsMax} characters`)
    }
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
