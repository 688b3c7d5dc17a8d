/**
 * A list that only grows, for folds: plain JSON, never changed in place, and cheap to add to however long it is. What it
 * looks like depends on the history alone. An absent one is empty.
 *
 * Full pages may be taken out and kept elsewhere (`settle`): whoever wants to see them says where (`PageReader`). An
 * addition never does.
 */
export interface Pages<T> {
  /** Full pages that are kept elsewhere, which come first; absent: none. */
  readonly stored?: number
  /** Full pages since. */
  readonly full?: readonly (readonly T[])[]
  /** The open page: what comes after those; never empty. */
  readonly tail: readonly T[]
}

/** Items of the `n`th page that is kept elsewhere. */
export type PageReader<T> = (n: number) => readonly T[]

/** Items of a full page, where its list says nothing else. */
export const pageLength = 64

/** The list with `item` at its end, in pages of `length`. Cost: a copy of less than a page. */
export function append<T>(pages: Pages<T> | undefined, item: T, length = pageLength): Pages<T> {
  if (pages === undefined) return { tail: [item] }
  const { full = [], tail } = pages
  if (tail.length < length) return { ...pages, tail: [...tail, item] }
  return { ...pages, full: [...full, tail], tail: [item] }
}

export const lengthOf = (pages: Pages<unknown> | undefined): number =>
  pages === undefined ? 0 : ((pages.stored ?? 0) + (pages.full?.length ?? 0)) * pageLength + pages.tail.length

/** The newest item. */
export const lastOf = <T>(pages: Pages<T> | undefined): T | undefined => pages?.tail.at(-1)

/** All items, in order. Cost: a read of each page that is kept elsewhere, when its turn comes. */
export function* itemsOf<T>(pages: Pages<T> | undefined, read: PageReader<T> = keptHere): Generator<T> {
  if (pages === undefined) return
  for (let n = 0; n < (pages.stored ?? 0); n++) yield* read(n)
  for (const page of pages.full ?? []) yield* page
  yield* pages.tail
}

/** All items, the newest first. */
export function* newestFirst<T>(pages: Pages<T> | undefined, read: PageReader<T> = keptHere): Generator<T> {
  if (pages === undefined) return
  yield* backwards(pages.tail)
  const { full = [] } = pages
  for (let n = full.length - 1; n >= 0; n--) yield* backwards(full[n] ?? [])
  for (let n = (pages.stored ?? 0) - 1; n >= 0; n--) yield* backwards(read(n))
}

function* backwards<T>(items: readonly T[]): Generator<T> {
  for (let n = items.length - 1; n >= 0; n--) yield items[n] as T
}

/** The list without its full pages, and those, with the number of each: what comes out never changes again. */
export function settle<T>(pages: Pages<T>): { pages: Pages<T>; taken: readonly [n: number, page: readonly T[]][] } {
  const { stored = 0, full = [], tail } = pages
  if (full.length === 0) return { pages, taken: [] }
  return { pages: { stored: stored + full.length, tail }, taken: full.map((page, n) => [stored + n, page]) }
}

const keptHere = (n: number): never => {
  throw new Error(`Page ${n} is kept elsewhere, and nobody says where.`)
}
