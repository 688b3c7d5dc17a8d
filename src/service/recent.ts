/** A few values at hand, by key: those that were put in last, of `bytesMax` bytes in all as those who put them count. */
export class Recent<Key, Value> {
  readonly #bytesMax: number
  readonly #values = new Map<Key, { readonly value: Value; readonly bytes: number }>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get(key: Key): Value | undefined {
    return this.#values.get(key)?.value
  }

  set(key: Key, value: Value, bytes: number): void {
    this.#drop(key)
    this.#values.set(key, { value, bytes })
    this.#bytes += bytes
    for (const oldest of this.#values.keys()) {
      if (this.#bytes <= this.#bytesMax) break
      this.#drop(oldest)
    }
  }

  clear(): void {
    this.#values.clear()
    this.#bytes = 0
  }

  #drop(key: Key): void {
    this.#bytes -= this.#values.get(key)?.bytes ?? 0
    this.#values.delete(key)
  }
}
