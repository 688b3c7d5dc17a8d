import { api, type Fault as Planned } from '../../infra/proxy/plan.ts'
import type { Weather } from '../../infra/proxy/weather.ts'
import { pick } from './load.ts'
import type { Member } from './members.ts'
import type { World } from './world.ts'

/** A fault that is about to happen. */
export interface Fault {
  readonly kind: string
  readonly text: string
  /** What it touches: two at once touch different things. */
  readonly touches: string
  /** How long it is left at least, when the service has found its way around it before. */
  readonly lastsMs: number
  begin(): Promise<void>
  /** Mends it: afterwards everything is meant to be well soon. */
  end(): Promise<void>
}

type Kind = (world: World, random: () => number, report: (fault: string) => void) => Fault

const between = (random: () => number, from: number, to: number): number => Math.round(from + random() * (to - from))
const nothing = async (): Promise<void> => {}
const brokers = [1, 2, 3] as const

const brokerKilled: Kind = ({ kafka }, random) => {
  const broker = pick(brokers, random)
  return {
    ...{ kind: 'broker killed', text: `kill -9 of broker ${broker}`, touches: 'broker', lastsMs: 0 },
    begin: () => kafka.kill(broker),
    end: () => kafka.start(broker),
  }
}

const brokerStopped: Kind = ({ kafka }, random) => {
  const broker = pick(brokers, random)
  const lastsMs = between(random, 1_000, 12_000)
  const signal = (name: NodeJS.Signals) => async (): Promise<void> => {
    const pid = kafka.pid(broker)
    if (pid !== undefined) process.kill(pid, name)
  }
  return {
    ...{
      kind: 'broker stopped',
      text: `SIGSTOP of broker ${broker} for ${lastsMs} ms or more`,
      touches: 'broker',
      lastsMs,
    },
    begin: signal('SIGSTOP'),
    end: signal('SIGCONT'),
  }
}

/** It is started again by itself, where it was. */
const clickhouseGone: Kind = ({ clickhouse }, random) => {
  const isKilled = random() < 0.5
  const lastsMs = isKilled ? 0 : between(random, 1_000, 12_000)
  const signal = (name: NodeJS.Signals) => async (): Promise<void> => {
    if (clickhouse.pid !== undefined) process.kill(clickhouse.pid, name)
  }
  return {
    kind: isKilled ? 'ClickHouse killed' : 'ClickHouse stopped',
    text: isKilled ? 'kill -9 of ClickHouse' : `SIGSTOP of ClickHouse for ${lastsMs} ms`,
    ...{ touches: 'clickhouse', lastsMs },
    begin: signal(isKilled ? 'SIGKILL' : 'SIGSTOP'),
    end: isKilled ? nothing : signal('SIGCONT'),
  }
}

/** One that runs; the spare one does at times. */
const someone = ({ members }: World, random: () => number, is: (member: Member) => boolean): Member =>
  pick(
    members.filter(member => member.serving !== undefined && is(member)),
    random,
  )

/** How often whoever is killed loses its folder, too. */
const emptyShare = 0.3

const killed =
  (kind: string, is: (member: Member) => boolean): Kind =>
  (world, random) => {
    const member = someone(world, random, is)
    const empty = random() < emptyShare
    const lastsMs = random() < 0.5 ? 0 : between(random, 0, 8_000)
    return {
      kind: empty ? `${kind}, folder gone` : kind,
      text: `kill -9 of ${member.name}${empty ? ', and its folder is removed' : ''}, for ${lastsMs} ms`,
      ...{ touches: member.name, lastsMs },
      begin: () => member.kill(empty),
      end: () => member.start(),
    }
  }

/** Longer than its session: what it goes on with afterwards, it must not write. */
const sequencerStopped: Kind = (world, random) => {
  const member = someone(world, random, ({ isSequencer }) => isSequencer)
  const lastsMs = between(random, 6_500, 12_000)
  return {
    ...{
      kind: 'sequencer stopped',
      text: `SIGSTOP of ${member.name} for ${lastsMs} ms`,
      touches: member.name,
      lastsMs,
    },
    begin: async () => member.signal('SIGSTOP'),
    end: async () => member.signal('SIGCONT'),
  }
}

const restarted: Kind = (world, random, report) => {
  const member = someone(world, random, () => true)
  return {
    ...{ kind: 'restarted', text: `SIGTERM of ${member.name}`, touches: member.name, lastsMs: 0 },
    begin: async () => {
      const code = await member.stop()
      if (code !== 0) report(`${member.name} ended with ${code} after SIGTERM`)
    },
    end: () => member.start(),
  }
}

const comeOrGone: Kind = ({ members }, _, report) => {
  const spare = members.find(({ name }) => name === 'spare')
  if (spare === undefined) throw new RangeError('there is no spare process')
  const common = { touches: spare.name, lastsMs: 0, end: nothing }
  if (spare.serving === undefined)
    return { ...common, kind: 'come', text: 'one more process', begin: () => spare.start() }
  return {
    ...common,
    ...{ kind: 'gone', text: 'one process less' },
    begin: async () => {
      const code = await spare.stop()
      if (code !== 0) report(`${spare.name} ended with ${code} after SIGTERM`)
    },
  }
}

/** One of its ways to the brokers, or all. */
const ways = (member: Member, random: () => number) => {
  const broker = between(random, 0, brokers.length)
  const route = broker === 0 ? member.route : member.route.slice(broker - 1, broker)
  return { route, to: broker === 0 ? 'all brokers' : `broker ${broker}` }
}

const cut: Kind = (world, random) => {
  const member = someone(world, random, () => true)
  const { route, to } = ways(member, random)
  return {
    ...{ kind: 'connections cut', text: `cuts ${member.name} off ${to} once`, touches: member.name, lastsMs: 0 },
    begin: async () => {
      for (const proxy of route) proxy.cut()
    },
    end: nothing,
  }
}

const weather =
  (kind: string, lastsMsMax: number, weatherOf: (random: () => number) => Weather): Kind =>
  (world, random) => {
    const member = someone(world, random, () => true)
    const { route, to } = ways(member, random)
    const lastsMs = between(random, 1_000, lastsMsMax)
    const weather = weatherOf(random)
    const change = (to: Weather) => async (): Promise<void> => {
      for (const proxy of route) proxy.weather(to)
    }
    return {
      ...{ kind, touches: member.name, lastsMs },
      text: `${JSON.stringify(weather)} between ${member.name} and ${to} for ${lastsMs} ms`,
      begin: change(weather),
      end: change({}),
    }
  }

const someDirection = (random: () => number): Pick<Weather, 'direction'> => {
  const drawn = random()
  return drawn < 0.5 ? {} : { direction: drawn < 0.75 ? 'requests' : 'answers' }
}

const delayed = weather('delayed', 8_000, random => ({ delayMs: between(random, 30, 900), ...someDirection(random) }))
const silent = weather('silent', 12_000, random => ({ silent: true, ...someDirection(random) }))
const refused = weather('refused', 12_000, () => ({ refuse: true }))

const hits = ['endTxn', 'produce', 'addPartitionsToTxn', 'initProducerId', 'joinGroup', 'heartbeat', 'fetch'] as const

/** One request of a sequencer is lost, or its answer: the broker has then done what it was asked. */
const oneLost: Kind = (world, random) => {
  const member = someone(world, random, ({ isSequencer }) => isSequencer)
  // The end of a transaction is where the most can go wrong.
  const name = random() < 0.4 ? 'endTxn' : pick(hits, random)
  const fault: Planned = {
    api: api[name],
    nth: between(random, 1, 3),
    what: random() < 0.7 ? 'answer' : 'request',
    how: random() < 0.8 ? 'close' : 'hang',
  }
  let plans: { release(): void }[] = []
  const { what, how } = fault
  return {
    kind: `one ${what} lost, ${how}`,
    text: `loses the ${what} of ${member.name}'s ${name} ${fault.nth} at each broker (${how})`,
    ...{ touches: member.name, lastsMs: 1_500 },
    begin: async () => {
      plans = member.route.map(proxy => proxy.plan(fault))
    },
    end: async () => {
      for (const plan of plans) plan.release()
    },
  }
}

const kinds: readonly (readonly [weight: number, kind: Kind])[] = [
  [3, brokerKilled],
  [2, brokerStopped],
  [4, killed('sequencer killed', ({ isSequencer, isDoor }) => isSequencer && !isDoor)],
  [3, killed('http killed', ({ isSequencer, isDoor }) => isDoor && !isSequencer)],
  [2, killed('follower killed', ({ isSequencer, isDoor }) => !isDoor && !isSequencer)],
  [2, clickhouseGone],
  [3, killed('all roles killed', ({ isSequencer, isDoor }) => isSequencer && isDoor)],
  [4, sequencerStopped],
  [2, restarted],
  [3, comeOrGone],
  [2, cut],
  [2, delayed],
  [3, silent],
  [2, refused],
  [5, oneLost],
]

const twoShare = 0.2

/** The next fault of a schedule: one, or two at once. */
export function nextFault(...drawing: Parameters<Kind>): Fault {
  const [, random] = drawing
  const first = oneOf(...drawing)
  if (random() >= twoShare) return first
  for (;;) {
    const second = oneOf(...drawing)
    if (second.touches === first.touches) continue
    return {
      kind: 'two at once',
      text: `${first.text}; and ${second.text}`,
      touches: `${first.touches}, ${second.touches}`,
      lastsMs: Math.max(first.lastsMs, second.lastsMs),
      begin: async () => void (await Promise.all([first.begin(), second.begin()])),
      end: async () => void (await Promise.all([first.end(), second.end()])),
    }
  }
}

const weightSum = kinds.reduce((sum, [weight]) => sum + weight, 0)

function oneOf(...drawing: Parameters<Kind>): Fault {
  const [, random] = drawing
  let left = random() * weightSum
  for (const [weight, kind] of kinds) {
    left -= weight
    if (left < 0) return kind(...drawing)
  }
  return cut(...drawing)
}
