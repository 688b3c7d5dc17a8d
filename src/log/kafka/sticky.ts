/**
 * Who gets which partition: everybody as many as anybody else, give or take one, and as many as can be stay where they are,
 * for each one that moves has to be taken over. `had` says what each member had before; what two claim stays with one of them.
 */
export function shareOut(
  had: ReadonlyMap<string, readonly number[]>,
  partitions: readonly number[],
): Map<string, number[]> {
  const members = [...had.keys()].sort()
  const shares = new Map<string, number[]>(members.map(member => [member, []]))
  if (members.length === 0) return shares
  const least = Math.floor(partitions.length / members.length)
  let larger = partitions.length % members.length
  const left = new Set(partitions)
  // Those that had most keep most: they come first for the shares that are larger by one.
  for (const member of members.toSorted((a, b) => (had.get(b)?.length ?? 0) - (had.get(a)?.length ?? 0))) {
    const kept = (had.get(member) ?? []).filter(partition => left.has(partition)).sort((a, b) => a - b)
    const size = kept.length > least && larger > 0 ? least + 1 : least
    if (size > least) larger -= 1
    const share = kept.slice(0, size)
    for (const partition of share) left.delete(partition)
    shares.set(member, share)
  }
  for (const partition of left) smallest(shares).push(partition)
  for (const share of shares.values()) share.sort((a, b) => a - b)
  return shares
}

const smallest = (shares: ReadonlyMap<string, number[]>): number[] =>
  [...shares.values()].reduce((least, share) => (share.length < least.length ? share : least))
