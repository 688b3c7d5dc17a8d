import type { Socket } from 'node:net'
import type { Piece } from './frames.ts'
import type { Direction, Sky } from './weather.ts'

/** What a lane asks of every piece; `hang` swallows it and all that follows. */
export type Verdict = 'pass' | 'close' | 'hang'

export interface Inspector {
  take(chunk: Buffer): Iterable<Piece>
  rest(): Buffer
  judge(head: Buffer): Verdict | Promise<Verdict>
}

/** What waits in a lane before its sender is made to wait. */
const waitingBytesMax = 1 << 20
/** How finely a slow lane doles out. */
const sharesPerSecond = 20

interface Arrival {
  readonly atMs: number
  /** Absent for the end of the stream. */
  readonly bytes?: Buffer
}

/**
 * One direction of a connection: takes from one socket, gives to the other, in order, as the weather allows. A sender
 * waits while the receiver is slow; the end of one side is the end for the other, which may still answer.
 */
export class Lane {
  readonly #to: Socket
  readonly #from: Socket
  readonly #sky: Sky
  readonly #direction: Direction
  readonly #inspector: Inspector | undefined
  readonly #reset: () => void
  readonly #arrived: Arrival[] = []
  #waitingBytes = 0
  #isRunning = false
  #isDead = false

  constructor(from: Socket, to: Socket, direction: Direction, sky: Sky, reset: () => void, inspector?: Inspector) {
    this.#from = from
    this.#to = to
    this.#direction = direction
    this.#sky = sky
    this.#reset = reset
    this.#inspector = inspector
    from.on('data', bytes => this.#arrive({ atMs: performance.now(), bytes }))
    from.on('end', () => this.#arrive({ atMs: performance.now() }))
  }

  #arrive(arrival: Arrival): void {
    if (this.#isDead) {
      // Nothing goes on from a lane that hangs; the end of its sender still ends the connection.
      if (arrival.bytes === undefined) this.#reset()
      return
    }
    this.#arrived.push(arrival)
    this.#waitingBytes += arrival.bytes?.length ?? 0
    if (this.#waitingBytes > waitingBytesMax) this.#from.pause()
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let next = this.#arrived.shift(); next !== undefined; next = this.#arrived.shift()) {
      if (!(await this.#pass(next))) return this.#die()
      this.#waitingBytes -= next.bytes?.length ?? 0
      if (this.#waitingBytes <= waitingBytesMax) this.#from.resume()
    }
    this.#isRunning = false
  }

  /** Swallows what waits and what comes. */
  #die(): void {
    this.#isDead = true
    const hasEnded = this.#arrived.some(({ bytes }) => bytes === undefined)
    this.#arrived.length = 0
    if (hasEnded) this.#reset()
    else this.#from.resume()
  }

  /** Whether the lane lives on. */
  async #pass({ atMs, bytes }: Arrival): Promise<boolean> {
    const inspector = this.#inspector
    if (bytes === undefined) {
      await this.#write(inspector?.rest() ?? nothing, atMs)
      await this.#untilDue(atMs)
      this.#to.end()
      return true
    }
    for (const piece of inspector?.take(bytes) ?? [{ bytes }]) {
      const verdict = piece.head === undefined ? 'pass' : await inspector?.judge(piece.head)
      if (verdict === 'close') this.#reset()
      if (verdict === 'hang' || this.#to.destroyed) return false
      await this.#write(piece.bytes, atMs)
    }
    return true
  }

  async #write(bytes: Buffer, atMs: number): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      await this.#untilDue(atMs)
      const share = rest.subarray(0, await this.#allowance(rest.length))
      if (this.#to.destroyed || !this.#to.writable) return
      if (!this.#to.write(share)) await drained(this.#to)
      rest = rest.subarray(share.length)
    }
  }

  /** Resolves when what arrived then may leave. */
  async #untilDue(atMs: number): Promise<void> {
    while (!this.#to.destroyed) {
      const { silent, delayMs = 0 } = this.#sky.over(this.#direction)
      const leftMs = atMs + delayMs - performance.now()
      if (!silent && leftMs <= 0) return
      await this.#sky.wait(silent ? undefined : leftMs)
    }
  }

  /** How many of `bytes` may leave, once they may. */
  async #allowance(bytes: number): Promise<number> {
    const { bytesPerSecond } = this.#sky.over(this.#direction)
    if (bytesPerSecond === undefined) return bytes
    const share = Math.min(bytes, Math.ceil(bytesPerSecond / sharesPerSecond))
    const untilMs = performance.now() + (share / bytesPerSecond) * 1_000
    for (let nowMs = performance.now(); nowMs < untilMs; nowMs = performance.now()) {
      await this.#sky.wait(untilMs - nowMs)
      if (this.#to.destroyed || this.#sky.over(this.#direction).bytesPerSecond !== bytesPerSecond) break
    }
    return share
  }
}

const nothing = Buffer.alloc(0)

/** Resolves when a socket takes more, or is gone. */
function drained(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}
