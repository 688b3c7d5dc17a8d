/**
 * Which identities were seen, and at which place first, in 12 bytes a slot: an open-addressing table of 64-bit digests.
 * Two events with one digest are a suspicion, not a finding: whoever asks compares the events themselves.
 */
export interface Identities {
  /** Keeps the place of an identity, or answers the place that has its digest already. */
  add(high: number, low: number, seq: number): number | undefined
  /** False once the limit was reached and identities went by unseen. */
  readonly complete: boolean
}

const slotsMin = 1 << 12

/** A table of at most `identitiesMax` identities; it grows by doubling and is never over three quarters full. */
export function identitiesUpTo(identitiesMax: number): Identities {
  let slots = slotsMin
  let digests = new Uint32Array(2 * slots)
  let places = new Uint32Array(slots)
  let used = 0
  let complete = true

  const slotOf = (high: number, low: number): number => {
    let slot = low & (slots - 1)
    while (digests[2 * slot] !== 0 || digests[2 * slot + 1] !== 0) {
      if (digests[2 * slot] === high && digests[2 * slot + 1] === low) break
      slot = (slot + 1) & (slots - 1)
    }
    return slot
  }

  const grow = (): void => {
    const [oldDigests, oldPlaces] = [digests, places]
    slots *= 2
    digests = new Uint32Array(2 * slots)
    places = new Uint32Array(slots)
    for (let old = 0; old < oldPlaces.length; old++) {
      const [high = 0, low = 0] = [oldDigests[2 * old], oldDigests[2 * old + 1]]
      if (high !== 0 || low !== 0) put(slotOf(high, low), high, low, oldPlaces[old] ?? 0)
    }
  }

  const put = (slot: number, high: number, low: number, seq: number): void => {
    digests[2 * slot] = high
    digests[2 * slot + 1] = low
    places[slot] = seq
  }

  return {
    add(high, low, seq) {
      let slot = slotOf(high, low)
      if (digests[2 * slot] !== 0 || digests[2 * slot + 1] !== 0) return places[slot]
      if (used >= identitiesMax || seq > 0xffff_ffff) {
        complete = false
        return undefined
      }
      if (4 * (used + 1) > 3 * slots) {
        grow()
        slot = slotOf(high, low)
      }
      put(slot, high, low, seq)
      used++
      return undefined
    },
    get complete() {
      return complete
    },
  }
}
