import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../infra/sample-stream.ts'
import { checkDoors, checkFolders, checkLeases, checkRows, checkVerdict, keysOf, pins } from './end.ts'
import { Answers, Chains } from './history.ts'
import { type Fault, nextFault } from './kinds.ts'
import { Emitter, type OnRude, untilTaken } from './load.ts'
import { isInSync, readCommitted } from './topic.ts'
import { makeWorld, type World } from './world.ts'

export interface FaultPlan {
  readonly count: number
  readonly seed: number
  /** How long it may take until every partition takes events again. */
  readonly recoveryMsMax: number
  /** What the kind of each fault has to hold, where not all are wanted. */
  readonly only?: string
  /** Asked before each fault: whether it is enough. */
  readonly isEnough?: () => boolean
}

export interface Recovery {
  readonly kind: string
  /** From the fault to the first event that was sent after it and has its place, in the slowest partition. */
  readonly ms: number
}

export interface FaultReport {
  readonly faults: number
  readonly acknowledged: number
  readonly answeredLate: number
  readonly entries: number
  readonly recoveries: readonly Recovery[]
  /** Everything that is not as promised; empty when all is well. */
  readonly findings: readonly string[]
}

const emitters = 4
const syncMsMax = 180_000

/** Does `count` faults to a world of its own, under load, and holds what was promised against what is there after each. */
export async function faultRun(
  dir: string,
  plan: FaultPlan,
  print: (line: string) => void = () => {},
): Promise<FaultReport> {
  const findings: string[] = []
  const report = (finding: string): void => {
    findings.push(finding)
    print(`FINDING ${finding}`)
  }
  const world = await makeWorld(dir, report)
  try {
    return await new Run(dir, plan, world, report, print).run(findings)
  } finally {
    await world.close()
  }
}

class Run {
  readonly #dir: string
  readonly #plan: FaultPlan
  readonly #world: World
  readonly #report: (finding: string) => void
  readonly #print: (line: string) => void
  readonly #answers: Answers
  readonly #recoveries: Recovery[] = []
  readonly #random: () => number
  /** Of load and probes, whose draws depend on time: they leave the schedule alone. */
  readonly #loose: () => number
  #next = new Map<number, number>()

  constructor(
    dir: string,
    plan: FaultPlan,
    world: World,
    report: (finding: string) => void,
    print: (line: string) => void,
  ) {
    this.#dir = dir
    this.#plan = plan
    this.#world = world
    this.#report = report
    this.#print = print
    this.#answers = new Answers(report)
    this.#random = seededRandom(plan.seed)
    this.#loose = seededRandom(plan.seed + 1)
  }

  async run(findings: readonly string[]): Promise<FaultReport> {
    const world = this.#world
    const [door] = world.doors()
    if (door === undefined) throw new Error('there is no door')
    const keys = await keysOf(door, world.ledgers[0] ?? '')
    const chains = new Chains(keys.publicHex, this.#report)
    const load = Array.from(
      { length: emitters },
      (_, number) => new Emitter({ number, ledgers: world.ledgers, doors: () => world.doors(), ...this.#sending }),
    )
    for (let n = 1; n <= this.#plan.count && this.#plan.isEnough?.() !== true; n++) {
      const fault = this.#draw()
      this.#print(`${n}/${this.#plan.count} ${fault.text}`)
      await this.#suffer(fault)
      await this.#check(chains)
    }
    await Promise.all(load.map(emitter => emitter.stop()))
    await this.#checkAll(chains, keys)
    return {
      faults: this.#recoveries.length,
      acknowledged: this.#answers.created + this.#answers.duplicates,
      answeredLate: this.#answers.duplicates,
      entries: chains.entries,
      recoveries: this.#recoveries,
      findings,
    }
  }

  #draw(): Fault {
    for (;;) {
      const fault = nextFault(this.#world, this.#random, this.#report)
      if (fault.kind.includes(this.#plan.only ?? '')) return fault
    }
  }

  get #sending() {
    return {
      random: this.#loose,
      onAnswer: (answer: Parameters<Answers['add']>[0]) => this.#answers.add(answer),
      onRude: this.#onRude,
      report: this.#report,
    }
  }

  /** One that was ended or halted meanwhile is excused. */
  readonly #onRude: OnRude = (door, sinceMs, what) => {
    const member = this.#world.members.find(({ serving }) => serving === door)
    if (member !== undefined && !member.wasHalted(sinceMs)) this.#report(`${member.name}: ${what}`)
  }

  async #suffer(fault: Fault): Promise<void> {
    const { recoveryMsMax } = this.#plan
    const world = this.#world
    const since = performance.now()
    await fault.begin()
    const begunMs = performance.now() - since
    const [taken] = await Promise.all([
      Promise.all(world.probed.map(ledger => untilTaken(ledger, world.doors, this.#sending, recoveryMsMax))),
      sleep(fault.lastsMs),
    ])
    const ms = Math.round(begunMs + Math.max(...taken.map(one => one ?? recoveryMsMax)))
    this.#recoveries.push({ kind: fault.kind, ms })
    for (const [n, one] of taken.entries()) {
      if (one === undefined) this.#report(`${fault.text}: partition ${n} took no event for ${recoveryMsMax} ms`)
    }
    const endedMs = performance.now()
    await fault.end().catch(error => this.#report(`${fault.text}: could not be mended: ${error}`))
    await this.#settle(fault)
    this.#print(
      `  events were taken again after ${ms} ms; all well ${Math.round(performance.now() - endedMs)} ms after its end`,
    )
  }

  /** Every process is there again, every broker has everything, and every door takes events for every partition. */
  async #settle({ text }: Fault): Promise<void> {
    const { kafka, members, probed } = this.#world
    for (const untilMs = performance.now() + syncMsMax; !(await isInSync(kafka.bootstrap)); await sleep(200)) {
      if (performance.now() < untilMs) continue
      this.#report(`${text}: the brokers are not in step again`)
      break
    }
    const knocks = members.flatMap(({ name, isDoor, serving }) =>
      probed.map(async (ledger, n) => {
        if (!isDoor || serving === undefined) return
        const taken = await untilTaken(ledger, () => [serving], this.#sending, this.#plan.recoveryMsMax)
        if (taken === undefined) this.#report(`${text}: afterwards ${name} took no event for partition ${n}`)
      }),
    )
    await Promise.all(knocks)
  }

  /** Reads what is new in the topic, and holds the answers since the last time against it. */
  async #check(chains: Chains): Promise<void> {
    const answers = this.#answers.takeUnchecked()
    let missing = answers
    // A commit is answered before its marker is everywhere: what was acknowledged may be shown a moment later.
    for (const untilMs = performance.now() + shownMsMax; ; await sleep(200)) {
      await this.#read(chains)
      missing = missing.filter(answer => !chains.has(answer))
      if (missing.length === 0 || performance.now() > untilMs) break
    }
    for (const { ledger, source, id, seq } of missing.slice(0, findingsMax))
      this.#report(`${ledger} ${source} ${id} was acknowledged at seq ${seq} and is lost`)
    this.#print(`  ${this.#answers.created} created, ${chains.entries} entries`)
  }

  async #read(chains: Chains): Promise<void> {
    const { bootstrap } = this.#world.kafka
    try {
      this.#next = await readCommitted(bootstrap, topic, this.#next, record => chains.take(record))
    } catch (error) {
      this.#report(`the topic could not be read: ${error}`)
    }
  }

  async #checkAll(chains: Chains, keys: { readonly publicHex: string; readonly text: string }): Promise<void> {
    await this.#check(chains)
    const fresh = new Chains(keys.publicHex, this.#report)
    await readCommitted(this.#world.kafka.bootstrap, topic, new Map(), record => fresh.take(record))
    for (const [ledger, head] of chains.heads)
      if (fresh.heads.get(ledger) !== head) this.#report(`${ledger} was read otherwise before: ${head}`)
    for (const [identity, place] of this.#answers.all())
      if (!fresh.holds(identity, place)) this.#report(`${identity} was acknowledged and is lost in the end`)
    for (const finding of await checkDoors(this.#world, fresh.heads)) this.#report(finding)
    for (const finding of await checkLeases(this.#world)) this.#report(finding)
    const pinned = pins(this.#dir, keys.text, fresh.heads)
    for (const finding of await checkFolders(this.#world, pinned)) this.#report(finding)
    for (const finding of await checkRows(this.#world)) this.#report(finding)
    for (const finding of await checkVerdict(this.#world, pinned)) this.#report(finding)
  }
}

const topic = 'aep.ledger'
const shownMsMax = 30_000
const findingsMax = 20
