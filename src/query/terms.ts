import type { SearchFilter } from './port.ts'
import type { FactRow } from './row.ts'

/**
 * Terms: everything a row is found by, as `name=value`. One index over all of them finds the rows of several filters at
 * once by meeting their lists of rows.
 */

/** Filters over facts: the term's name, and the members of a fact that hold its values. */
export const factTerms = {
  principals: { term: 'principal', of: (fact: FactRow) => fact.principal },
  runs: { term: 'run', of: (fact: FactRow) => fact.run },
  sessions: { term: 'session', of: (fact: FactRow) => fact.session },
  servers: { term: 'server', of: (fact: FactRow) => fact.server },
  tools: { term: 'tool', of: (fact: FactRow) => fact.tools },
  decisions: { term: 'decision', of: (fact: FactRow) => fact.decision },
  denyReasons: { term: 'deny', of: (fact: FactRow) => fact.denyReason },
  sideEffects: { term: 'effect', of: (fact: FactRow) => fact.sideEffect },
  leases: { term: 'lease', of: (fact: FactRow) => fact.lease },
  policies: { term: 'policy', of: (fact: FactRow) => fact.policies },
} as const satisfies Partial<
  Record<keyof SearchFilter, { readonly term: string; readonly of: (fact: FactRow) => string | readonly string[] }>
>

export type FactFilter = keyof typeof factTerms
export const factFilters = Object.keys(factTerms) as readonly FactFilter[]

export const typeTerm = 'type'
export const wordTerm = 'word'
/** Decision and tool of one fact in one term: what somebody who looks into denials asks for most, in one list of rows. */
export const decidedTerm = 'decided'
/** How many facts a row has: of one that has one at most, terms that meet are of the same fact. */
export const factsTerm = 'facts'

/** What a value has at most to be found by: names in events are no longer, and texts within records have no bound. */
export const valueCharsMax = 1_024

/** As JSON: records say what they like, and no two pairs are to look alike. */
export const decidedOf = (decision: string, tool: string): string => JSON.stringify([decision, tool])

export const termOf = (name: string, value: string): string => `${name}=${value}`

/** The terms of a row, each once. A value over `valueCharsMax` gives none: the index is not to keep a whole text. */
export function termsOf(type: string, facts: readonly FactRow[], reasons: string): readonly string[] {
  const terms = new Set([termOf(typeTerm, type), termOf(factsTerm, facts.length > 1 ? 'many' : 'one')])
  const add = (term: string, value: string): void => {
    if (value !== '' && value.length <= valueCharsMax) terms.add(termOf(term, value))
  }
  for (const fact of facts) {
    for (const name of factFilters) {
      const { term, of } = factTerms[name]
      const value = of(fact)
      if (typeof value === 'string') add(term, value)
      else for (const one of value) add(term, one)
    }
    if (fact.decision !== '') for (const tool of fact.tools) add(decidedTerm, decidedOf(fact.decision, tool))
  }
  for (const word of reasons === '' ? [] : wordsOf(reasons)) add(wordTerm, word)
  return [...terms]
}

/** The words of a text, in lower case: parted by everything in ASCII that is neither letter nor digit. */
export const wordsOf = (text: string): readonly string[] =>
  text.toLowerCase().match(/[a-z0-9\u{80}-\u{10ffff}]+/gu) ?? []
