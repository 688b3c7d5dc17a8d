/**
 * How much is under way at once. What does not fit is refused at the door, with the advice to come again: there is no
 * queue in this room.
 */
export class Admission {
  readonly #requestsMax: number
  readonly #bytesMax: number
  #requests = 0
  #bytes = 0

  constructor(requestsMax: number, bytesMax: number) {
    this.#requestsMax = requestsMax
    this.#bytesMax = bytesMax
  }

  get requests(): number {
    return this.#requests
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether one more request of `bytes` may come in; if so it counts until `leave`. A lone one always may. */
  enter(bytes: number): boolean {
    if (this.#requests >= this.#requestsMax) return false
    if (this.#bytes + bytes > this.#bytesMax && this.#requests > 0) return false
    this.#requests += 1
    this.#bytes += bytes
    return true
  }

  leave(bytes: number): void {
    this.#requests -= 1
    this.#bytes -= bytes
  }
}
