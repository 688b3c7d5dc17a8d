import { setTimeout as sleep } from 'node:timers/promises'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** Metrics of the loops of cluster mode. Names and units as Prometheus advises. */
export interface ClusterMetrics {
  readonly owned: Gauge<'partition'>
  readonly transactionSeconds: Histogram
  readonly transactionEntries: Histogram
  readonly fenced: Counter<'partition'>
  readonly takeovers: Counter<'partition'>
  readonly takeoverSeconds: Histogram
  readonly rebalances: Counter
  readonly dead: Counter<'reason'>
  readonly unknown: Counter
}

/** What is asked at each scrape. */
export interface ClusterScraped {
  /** Records of intake that have no place yet, by partition that is sealed here. */
  readonly intakeLag: () => Promise<ReadonlyMap<number, number>>
  /** Offsets of the ledger topic that the replica has still to read, by partition. */
  readonly replicaLag: () => Promise<ReadonlyMap<number, number>>
  readonly ledgerTopic: string
}

/** How long a scrape waits for Kafka to say where its topics end. */
const lagMsMax = 1_000
const seconds = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Kafka that does not answer leaves no figure, and no other of them waits for it. */
const soon = <T>(figure: Promise<T>): Promise<T | undefined> =>
  Promise.race([figure, sleep(lagMsMax, undefined, { ref: false })]).catch(() => undefined)

export function clusterMetrics(
  registry: Registry,
  { intakeLag, replicaLag, ledgerTopic }: ClusterScraped,
): ClusterMetrics {
  const registers = [registry]
  new Gauge({
    name: 'aep_ledger_intake_lag_records',
    help: 'Records of intake that wait for their places, by partition that this process seals.',
    labelNames: ['partition'],
    registers,
    async collect() {
      const lags = await soon(intakeLag())
      this.reset()
      for (const [partition, records] of lags ?? []) this.set({ partition }, records)
    },
  })
  new Gauge({
    name: 'aep_ledger_replica_lag_records',
    help: 'Offsets of a topic that the replica of this process has still to read.',
    labelNames: ['topic', 'partition'],
    registers,
    async collect() {
      const lag = await soon(replicaLag())
      this.reset()
      for (const [partition, offsets] of lag ?? []) this.set({ topic: ledgerTopic, partition }, offsets)
    },
  })
  return {
    owned: new Gauge({
      name: 'aep_ledger_partition_owned',
      help: '1 while this process seals the partition.',
      labelNames: ['partition'],
      registers,
    }),
    transactionSeconds: new Histogram({
      name: 'aep_ledger_transaction_duration_seconds',
      help: 'From the first send of a step to its entries in the replica.',
      buckets: seconds,
      registers,
    }),
    transactionEntries: new Histogram({
      name: 'aep_ledger_transaction_entries',
      help: 'Entries of one transaction.',
      buckets: [1, 3, 10, 30, 100, 300, 1000, 3000],
      registers,
    }),
    fenced: new Counter({
      name: 'aep_ledger_fenced_total',
      help: 'Times that another process took a partition over from this one.',
      labelNames: ['partition'],
      registers,
    }),
    takeovers: new Counter({
      name: 'aep_ledger_takeovers_total',
      help: 'Times that this process took a partition over.',
      labelNames: ['partition'],
      registers,
    }),
    takeoverSeconds: new Histogram({
      name: 'aep_ledger_takeover_duration_seconds',
      help: 'From fencing the owner before to reading intake.',
      buckets: [...seconds, 30, 60],
      registers,
    }),
    rebalances: new Counter({
      name: 'aep_ledger_rebalances_total',
      help: 'Times that partitions were assigned to this process.',
      registers,
    }),
    dead: new Counter({
      name: 'aep_ledger_dead_letters_total',
      help: 'Records of intake that were not taken.',
      labelNames: ['reason'],
      registers,
    }),
    unknown: new Counter({
      name: 'aep_ledger_commit_unknown_total',
      help: 'Transactions whose outcome had to be read back.',
      registers,
    }),
  }
}
