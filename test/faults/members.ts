import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultProxy } from '../../infra/proxy/proxy.ts'
import { type Serving, serve } from '../../infra/serve.ts'

export interface MemberPlan {
  readonly name: string
  readonly roles: string
  /** Its own way to each broker. */
  readonly route: readonly FaultProxy[]
}

/** Longer than any end in order takes. */
const stopMsMax = 60_000

/** One process of the service, through all its lives: its folder, its way to the brokers, and what it said. */
export class Member {
  readonly name: string
  readonly route: readonly FaultProxy[]
  /** Whether it takes events in. */
  readonly isDoor: boolean
  readonly isSequencer: boolean
  readonly dir: string
  readonly #env: Readonly<Record<string, string>>
  readonly #logs: string
  readonly #onDeath: (why: string) => void
  #serving: Serving | undefined
  #lives = 0
  #haltedUntilMs = 0

  constructor(dir: string, plan: MemberPlan, env: Readonly<Record<string, string>>, onDeath: (why: string) => void) {
    this.name = plan.name
    this.route = plan.route
    this.isDoor = plan.roles.includes('http')
    this.isSequencer = plan.roles.includes('sequencer')
    this.dir = join(dir, plan.name)
    this.#logs = join(dir, 'logs')
    mkdirSync(this.#logs, { recursive: true })
    this.#onDeath = onDeath
    this.#env = {
      ...env,
      // A sequencer has no rows, and asks for none.
      ...(plan.roles === 'sequencer' && { AEP_LEDGER_SEARCH: 'off' }),
      AEP_LEDGER_ROLES: plan.roles,
      AEP_LEDGER_KAFKA_BROKERS: plan.route.map(({ address }) => address).join(),
    }
  }

  get serving(): Serving | undefined {
    return this.#serving
  }

  /** Resolves once it takes requests. Throws when it does not within a minute. */
  async start(): Promise<void> {
    if (this.#serving !== undefined) return
    const serving = await serve(this.dir, this.#env)
    this.#serving = serving
    this.#lives += 1
    serving.child.on('exit', (code, signal) => {
      if (this.#serving !== serving) return
      this.#end()
      this.#onDeath(`${this.name} ended by itself with ${signal ?? code}: ${serving.log().slice(-1000)}`)
    })
  }

  /** kill -9; with `empty`, of its folder nothing is left either. */
  async kill(empty = false): Promise<void> {
    await this.#end()?.kill()
    if (empty) rmSync(this.dir, { recursive: true, force: true })
  }

  /** SIGTERM; the exit code, or `undefined` when it did not end in time. */
  async stop(): Promise<number | null | undefined> {
    const serving = this.#end()
    if (serving === undefined) return 0
    const code = await Promise.race([serving.stop(), sleep(stopMsMax, undefined, { ref: false })])
    if (code === undefined) await serving.kill()
    this.#keepLog(serving)
    return code
  }

  /** Whether a signal held it at any time since `sinceMs`. */
  wasHalted(sinceMs: number): boolean {
    return this.#haltedUntilMs > sinceMs
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#haltedUntilMs = name === 'SIGSTOP' ? Number.POSITIVE_INFINITY : performance.now()
    this.#serving?.child.kill(name)
  }

  #end(): Serving | undefined {
    this.#haltedUntilMs = 0
    const serving = this.#serving
    this.#serving = undefined
    if (serving !== undefined) this.#keepLog(serving)
    return serving
  }

  #keepLog(serving: Serving): void {
    writeFileSync(join(this.#logs, `${this.name}-${this.#lives}.log`), serving.log())
  }
}
