/** What the brokers of a test are told besides: how else they listen, who may do what. */
export interface Besides {
  /** Listeners besides the one that anybody may use, by name in capitals, each on a free port. */
  readonly listeners: Readonly<Record<string, 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'>>
  readonly properties: Readonly<Record<string, string>>
  /** For the tool that formats storage, such as `--add-scram`. */
  readonly format?: readonly string[]
  /** Options of the JVM. */
  readonly jvm?: readonly string[]
}

/** What one broker of a cluster is told. */
export interface BrokerPlan {
  /** node.id, from 1. */
  readonly id: number
  /** Ports of each broker in turn, for clients and for the controllers among themselves. */
  readonly ports: readonly BrokerPorts[]
  /** Folder of its data. */
  readonly data: string
  readonly besides?: Besides | undefined
}

export interface BrokerPorts {
  readonly client: number
  readonly controller: number
  /** Of each listener besides, in the order of their names there. */
  readonly besides?: readonly number[]
  /** Other ways to it, each a listener of its own. */
  readonly routes?: readonly RoutePorts[]
  /** Brokers use the last of the routes among themselves, and not the direct way. */
  readonly between?: boolean
}

/** A listener for clients that come through a proxy: a broker tells them the proxy's port, and not its own. */
export interface RoutePorts {
  readonly own: number
  readonly proxy: number
}

/**
 * server.properties of broker and controller in one process, on 127.0.0.1 alone. With three brokers whatever is kept is
 * kept three times, two of which must have it before a write counts.
 */
export function serverProperties({ id, ports, data, besides }: BrokerPlan): string {
  const own = ports[id - 1]
  if (own === undefined) throw new RangeError(`there is no broker ${id} among ${ports.length}`)
  const count = ports.length
  const inSync = Math.min(2, count)
  const more = Object.entries(besides?.listeners ?? {})
  const routes = own.routes ?? []
  const listeners = (port: (route: RoutePorts) => number): string[] => [
    `PLAINTEXT://127.0.0.1:${own.client}`,
    ...more.map(([name], n) => `${name}://127.0.0.1:${own.besides?.[n]}`),
    ...routes.map((route, n) => `ROUTE${n + 1}://127.0.0.1:${port(route)}`),
  ]
  const protocols = ['PLAINTEXT:PLAINTEXT', 'CONTROLLER:PLAINTEXT', ...more.map(entry => entry.join(':'))]
  protocols.push(...routes.map((_, n) => `ROUTE${n + 1}:PLAINTEXT`))
  const properties: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': ports.map(({ controller }, n) => `${n + 1}@127.0.0.1:${controller}`).join(','),
    listeners: [...listeners(({ own }) => own), `CONTROLLER://127.0.0.1:${own.controller}`].join(','),
    'advertised.listeners': listeners(({ proxy }) => proxy).join(','),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': protocols.join(','),
    'inter.broker.listener.name': own.between ? `ROUTE${routes.length}` : 'PLAINTEXT',
    'log.dirs': data,
    'auto.create.topics.enable': false,
    'default.replication.factor': count,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': count,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': count,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': count,
    'share.coordinator.state.topic.min.isr': inSync,
    // Nobody waits for members that never come, nor for the disk of a topic that a test has deleted.
    'group.initial.rebalance.delay.ms': 0,
    'log.segment.delete.delay.ms': 500,
    ...failureDetection,
    ...besides?.properties,
  }
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${escaped(String(value))}\n`)
    .join('')
}

/**
 * With the defaults nobody can write for 8 to 12 s after a leader's death; with these 3 to 5. A single broker that was
 * killed is let in again only when its former life counts as dead, so this is for one as well.
 */
const failureDetection = {
  'broker.session.timeout.ms': 3_000,
  'broker.heartbeat.interval.ms': 500,
  'controller.quorum.fetch.timeout.ms': 1_000,
  'controller.quorum.election.timeout.ms': 500,
}

/** As java.util.Properties reads it back: the file is Latin-1, and a backslash escapes. */
const escaped = (value: string): string =>
  value.replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
