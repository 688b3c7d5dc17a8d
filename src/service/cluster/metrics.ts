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
  /** Records of intake that were read and wait, by partition that is sealed here. */
  readonly intakeLag: () => ReadonlyMap<number, number>
  /** Offset up to which the replica has each partition. */
  readonly positions: () => ReadonlyMap<number, number>
}

const seconds = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function clusterMetrics(registry: Registry, { intakeLag, positions }: ClusterScraped): ClusterMetrics {
  const registers = [registry]
  new Gauge({
    name: 'aep_ledger_intake_lag_records',
    help: 'Records of intake that wait for their places, by partition that this process seals.',
    labelNames: ['partition'],
    registers,
    collect() {
      this.reset()
      for (const [partition, records] of intakeLag()) this.set({ partition }, records)
    },
  })
  new Gauge({
    name: 'aep_ledger_replica_position',
    help: 'Offset of the ledger topic up to which this process has all of a partition.',
    labelNames: ['partition'],
    registers,
    collect() {
      for (const [partition, offset] of positions()) this.set({ partition }, offset)
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
