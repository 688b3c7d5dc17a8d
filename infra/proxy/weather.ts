export type Direction = 'requests' | 'answers'

/** What befalls every connection of a proxy. */
export interface Weather {
  /** Everything arrives this much later; as much is on its way at once as ever. */
  readonly delayMs?: number
  /** No more than this passes on each connection, in each direction. */
  readonly bytesPerSecond?: number
  /**
   * Nothing passes, the end of a connection neither, and nothing is lost: what was sent waits, and arrives once the weather
   * changes. New connections are accepted. So does a network that is cut in two for a while.
   */
  readonly silent?: boolean
  /** Every connection is reset, and so is each new one. */
  readonly refuse?: boolean
  /** Whom delay, rate and silence concern; both when absent. */
  readonly direction?: Direction
}

/** The weather now, and whoever waits for it to change. */
export class Sky {
  #weather: Weather = {}
  readonly #waiting = new Set<() => void>()

  over(direction: Direction): Weather {
    const { direction: only = direction } = this.#weather
    return only === direction ? this.#weather : {}
  }

  get refuses(): boolean {
    return this.#weather.refuse === true
  }

  change(weather: Weather): void {
    this.#weather = weather
    this.wake()
  }

  wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves after `ms`, or when the weather changes. */
  wait(ms?: number): Promise<void> {
    return new Promise(resolve => {
      const timer = ms === undefined ? undefined : setTimeout(() => wake(), ms)
      const wake = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        resolve()
      }
      this.#waiting.add(wake)
    })
  }
}
