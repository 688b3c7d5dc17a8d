/** Requests by the numbers that Kafka's protocol gives them. */
export const api = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  initProducerId: 22,
  addPartitionsToTxn: 24,
  endTxn: 26,
} as const

/** The first fields of a request; `connection` counts those of the proxy from 1. */
export interface Request {
  readonly api: number
  readonly version: number
  readonly correlation: number
  readonly connection: number
}

/** What happens to one request. */
export interface Fault {
  readonly api: number
  /** The n-th from now on, from 1, which is the default. Other connections count as well. */
  readonly nth?: number
  /** The request before the broker sees it, or the answer: then the broker has done what was asked. */
  readonly what: 'request' | 'answer'
  /**
   * - `close`: it is lost, and its connection reset;
   * - `hang`: it is lost, and so is all that follows on its connection, which stays open;
   * - `hold`: it waits, and all behind it in its direction, until it is let go.
   */
  readonly how: 'close' | 'hang' | 'hold'
}

/** A fault that is to come. */
export interface Planned {
  /** Resolves once it has happened. */
  readonly met: Promise<Request>
  /** Lets go what is held; before that, takes the fault back. */
  release(): void
}

class Plan implements Planned {
  readonly fault: Fault
  readonly met: Promise<Request>
  readonly released: Promise<void>
  #left: number
  readonly #meet: (request: Request) => void
  readonly #release: () => void

  constructor(fault: Fault) {
    this.fault = fault
    this.#left = fault.nth ?? 1
    const met = Promise.withResolvers<Request>()
    const released = Promise.withResolvers<void>()
    this.met = met.promise
    this.#meet = met.resolve
    this.released = released.promise
    this.#release = released.resolve
  }

  /** Counts a request, and says whether it is the one. */
  isFor({ api }: Request): boolean {
    if (api !== this.fault.api) return false
    this.#left -= 1
    return this.#left === 0
  }

  meet(request: Request): void {
    this.#meet(request)
  }

  release(): void {
    this.#left = 0
    this.#release()
  }
}

/** The faults of a proxy that are to come, and a count of what it has seen. */
export class Plans {
  readonly #plans = new Set<Plan>()
  readonly #seen = new Map<number, number>()

  add(fault: Fault): Planned {
    const plan = new Plan(fault)
    this.#plans.add(plan)
    return plan
  }

  seen(api: number): number {
    return this.#seen.get(api) ?? 0
  }

  /** Counts a request, and finds what is to happen to it. */
  meet(request: Request): Plan | undefined {
    this.#seen.set(request.api, this.seen(request.api) + 1)
    const found = [...this.#plans].filter(plan => plan.isFor(request))
    for (const plan of found) this.#plans.delete(plan)
    return found[0]
  }
}

export type { Plan }
