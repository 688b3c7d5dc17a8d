/**
 * The one of `known` that `text` was probably meant to be: the fewest letters to add, drop or change, at most a third of
 * the longer; `undefined` when none is near, or `text` is no name at all. Cost: at most 64 x letters in `known`.
 */
export function nearest(text: string, known: readonly string[]): string | undefined {
  if (text.length > 64) return undefined
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const name of known) {
    const distance = distanceOf(text, name)
    if (distance < bestDistance && distance <= Math.max(text.length, name.length) / 3) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** Letters to add, drop, change or swap with the next (Levenshtein, with the swap of neighbours), one row at a time. */
function distanceOf(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, n) => n)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = at(row, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = swapped ? at(before, j - 2) + 1 : change
      next.push(Math.min(change, swap, at(row, j) + 1, at(next, j - 1) + 1))
    }
    before = row
    row = next
  }
  return at(row, b.length)
}

const at = (row: readonly number[], n: number): number => row[n] ?? 0
