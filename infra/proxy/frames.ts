/** Part of a stream that belongs to one frame; the first part of each names it. */
export interface Piece {
  readonly bytes: Buffer
  /** The frame's first bytes, length included, as many as were asked for; only on its first piece. */
  readonly head?: Buffer
}

/** More than a broker takes or gives in one frame (`socket.request.max.bytes` is 100 MiB): what claims more isn't Kafka. */
const frameBytesMax = 256 << 20

/**
 * Cuts a stream of Kafka frames (a length in four bytes, big-endian, then so many bytes) at their borders, without waiting
 * for whole frames and without copying them. `headBytes` of each frame, its length among them, come in one piece. A stream
 * of anything else passes uncut.
 */
export class FrameCutter {
  readonly #headBytes: number
  /** Beginning of a frame whose head isn't all there. */
  #begun: Buffer = Buffer.alloc(0)
  /** Bytes of the running frame that are still to come. */
  #left = 0
  #isForeign = false

  constructor(headBytes: number) {
    this.#headBytes = headBytes
  }

  *take(chunk: Buffer): Generator<Piece> {
    let bytes = this.#begun.length === 0 ? chunk : Buffer.concat([this.#begun, chunk])
    this.#begun = Buffer.alloc(0)
    while (bytes.length > 0) {
      if (this.#isForeign) return yield { bytes }
      if (this.#left === 0) {
        if (bytes.length < this.#headBytes) {
          this.#begun = bytes
          return
        }
        const length = bytes.readInt32BE(0)
        this.#isForeign = length < this.#headBytes - 4 || length > frameBytesMax
        if (this.#isForeign) continue
        const own = bytes.subarray(0, length + 4)
        this.#left = length + 4 - own.length
        yield { bytes: own, head: own.subarray(0, this.#headBytes) }
        bytes = bytes.subarray(own.length)
      } else {
        const own = bytes.subarray(0, this.#left)
        this.#left -= own.length
        yield { bytes: own }
        bytes = bytes.subarray(own.length)
      }
    }
  }

  /** What is left when the stream ends in the middle of a head. */
  rest(): Buffer {
    return this.#begun
  }
}
