/**
 * Two collections for folds: plain JSON, never changed in place, and cheap to add to however long they are, because an
 * addition copies one page and shares the rest. What they look like depends on the history alone.
 */

/** A list that only grows. */
export interface Pages<T> {
  /** Pages of exactly `pageLength` items. */
  readonly full: readonly (readonly T[])[]
  readonly tail: readonly T[]
}

const pageLength = 256

export const noPages: Pages<never> = { full: [], tail: [] }

/** The list with `item` at its end. Cost: a copy of less than a page, and every 256 items one of the list of pages. */
export function append<T>({ full, tail }: Pages<T>, item: T): Pages<T> {
  const longer = [...tail, item]
  return longer.length < pageLength ? { full, tail: longer } : { full: [...full, longer], tail: [] }
}

export const lengthOf = ({ full, tail }: Pages<unknown>): number => full.length * pageLength + tail.length

/** All items, in order. */
export function* itemsOf<T>({ full, tail }: Pages<T>): Generator<T> {
  for (const page of full) yield* page
  yield* tail
}

/** A set of texts: non-empty pages of texts in order, each page before the next. */
export type TextSet = readonly (readonly string[])[]

/** The set with `text` in it, or `undefined` when it is in already. Cost: two binary searches, and a copy of a page. */
export function include(set: TextSet, text: string): TextSet | undefined {
  if (set.length === 0) return [[text]]
  const at = Math.max(0, countUpTo(set, text, first) - 1)
  const page = set[at] ?? []
  const within = countUpTo(page, text, itself)
  if (within > 0 && page[within - 1] === text) return undefined
  const longer = page.toSpliced(within, 0, text)
  if (longer.length <= pageLength) return set.with(at, longer)
  const half = pageLength / 2
  return set.toSpliced(at, 1, longer.slice(0, half), longer.slice(half))
}

const first = (page: readonly string[]): string => page[0] ?? ''
const itself = (text: string): string => text

/** How many of the `items`, which stand in order of their keys, have a key up to `text`. */
function countUpTo<T>(items: readonly T[], text: string, keyOf: (item: T) => string): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = items[middle]
    if (item !== undefined && keyOf(item) <= text) low = middle + 1
    else high = middle
  }
  return low
}
