/** What a member of the group says of itself. */
export interface Claim {
  /** Partitions that it had before; what two claim stays with one of them. */
  readonly had: readonly number[]
  /** Partitions that it can't work on: where others can, they get them. */
  readonly unfit: readonly number[]
}

/**
 * Who gets which partition: everybody as many as anybody else, give or take one, and as many as can be stay where they are,
 * for each one that moves has to be taken over. Only what a member is unfit for moves whatever the numbers.
 */
export function shareOut(
  claims: ReadonlyMap<string, Claim>,
  partitions: readonly number[],
): ReadonlyMap<string, readonly number[]> {
  const members = [...claims.keys()].sort()
  const shares = new Map<string, number[]>(members.map(member => [member, []]))
  if (members.length === 0) return shares
  const fitOf = new Map(partitions.map(partition => [partition, membersFitFor(partition, claims)]))
  const fitFor = (partition: number): ReadonlySet<string> => fitOf.get(partition) ?? new Set()
  const claimants = (partition: number): number =>
    [...claims.values()].filter(({ had }) => had.includes(partition)).length
  const least = Math.floor(partitions.length / members.length)
  let larger = partitions.length % members.length
  const left = new Set(partitions)
  const keptOf = (member: string): number[] =>
    [...new Set(claims.get(member)?.had)].filter(partition => left.has(partition) && fitFor(partition).has(member))
  // Those that had most keep most: they come first for the shares that are larger by one. They let go first what another had
  // too, which is a member that was away for a moment, and last what few others are fit for.
  for (const member of members.toSorted((a, b) => keptOf(b).length - keptOf(a).length)) {
    const kept = keptOf(member).sort((a, b) => fitFor(a).size - fitFor(b).size || claimants(a) - claimants(b) || a - b)
    const size = kept.length > least && larger > 0 ? least + 1 : least
    if (size > least) larger -= 1
    const share = kept.slice(0, size)
    for (const partition of share) left.delete(partition)
    shares.set(member, share)
  }
  for (const partition of left) smallest(shares, fitFor(partition)).push(partition)
  for (const share of shares.values()) share.sort((a, b) => a - b)
  return shares
}

/** Who may have a partition: everybody, where nobody is fit for it. */
function membersFitFor(partition: number, claims: ReadonlyMap<string, Claim>): ReadonlySet<string> {
  const fit = [...claims].filter(([, { unfit }]) => !unfit.includes(partition)).map(([member]) => member)
  return new Set(fit.length > 0 ? fit : claims.keys())
}

const smallest = (shares: ReadonlyMap<string, number[]>, fit: ReadonlySet<string>): number[] =>
  [...shares]
    .filter(([member]) => fit.has(member))
    .map(([, share]) => share)
    .reduce((least, share) => (share.length < least.length ? share : least))
