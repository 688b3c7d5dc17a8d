import { concat } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'

/** A Merkle tree that only grows, as far as its root needs: the roots of the complete subtrees along its right edge. */
export interface Frontier {
  readonly size: number
  /** Adds a leaf hash of 32 bytes. Cost: one SHA-256 on average, at most log2(size). */
  add(leaf: Uint8Array): void
  /** RFC 6962 section 2.1 tree hash of the leaves so far. Cost: at most log2(size) SHA-256. */
  root(): Uint8Array
}

const nodePrefix = Uint8Array.of(0x01)

export function newFrontier(suite: Suite): Frontier {
  // Subtree roots from the largest to the smallest: one for each bit set in `size`.
  const roots: Uint8Array[] = []
  let size = 0
  const node = (left: Uint8Array, right: Uint8Array) => suite.sha256(concat(nodePrefix, left, right))
  return {
    get size() {
      return size
    },
    add(leaf) {
      let root = leaf
      // A bit carried is two subtrees of one size joined.
      for (let carry = size; carry % 2 === 1; carry = Math.floor(carry / 2)) {
        const left = roots.pop()
        if (left !== undefined) root = node(left, root)
      }
      roots.push(root)
      size++
    },
    root: () =>
      roots.reduceRight<Uint8Array | undefined>((right, left) => (right ? node(left, right) : left), undefined) ??
      suite.sha256(),
  }
}
