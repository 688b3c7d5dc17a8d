import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Metrics of the loops; `http` registers its own beside them. Names and units as Prometheus advises. */
export interface ServiceMetrics {
  readonly registry: Registry
  readonly appended: Counter<'ledger'>
  readonly batchEvents: Histogram
  readonly conflicts: Counter<'ledger'>
  readonly viewFailures: Counter<'view'>
}

/** What is asked at each scrape. */
export interface Scraped {
  /** What this process does. */
  readonly roles: readonly string[]
  readonly queued: () => number
  readonly ledgers: () => readonly string[]
  /** Last seq of a ledger. */
  readonly head: (ledger: string) => number
  /** Last seq that each view which this process keeps up holds of a ledger, by its name; -1 for none. */
  readonly positions: (ledger: string) => Readonly<Record<string, number>>
}

/** A registry of its own, so that two services in one process (tests) don't mix. */
export function serviceMetrics({ roles, queued, ledgers, head, positions }: Scraped): ServiceMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const does = new Gauge({
    name: 'aep_ledger_role',
    help: '1 for each role of this process.',
    labelNames: ['role'],
    registers,
  })
  for (const role of roles) does.set({ role }, 1)
  new Gauge({
    name: 'aep_ledger_queue_events',
    help: 'Events that wait for their place.',
    registers,
    collect() {
      this.set(queued())
    },
  })
  new Gauge({
    name: 'aep_ledger_head_seq',
    help: 'Last seq of a ledger.',
    labelNames: ['ledger'],
    registers,
    collect() {
      for (const ledger of ledgers()) this.set({ ledger }, head(ledger))
    },
  })
  new Gauge({
    name: 'aep_ledger_view_position',
    help: 'Last seq that a view holds.',
    labelNames: ['view', 'ledger'],
    registers,
    collect() {
      this.reset()
      for (const ledger of ledgers()) {
        for (const [view, seq] of Object.entries(positions(ledger))) this.set({ view, ledger }, seq)
      }
    },
  })
  return {
    registry,
    appended: new Counter({
      name: 'aep_ledger_entries_total',
      help: 'Entries made durable.',
      labelNames: ['ledger'],
      registers,
    }),
    batchEvents: new Histogram({
      name: 'aep_ledger_append_batch_entries',
      help: 'Entries of one durable write.',
      buckets: [1, 3, 10, 30, 100, 300, 1000, 3000],
      registers,
    }),
    conflicts: new Counter({
      name: 'aep_ledger_conflicts_total',
      help: 'Events refused because their id was taken by other content.',
      labelNames: ['ledger'],
      registers,
    }),
    viewFailures: new Counter({
      name: 'aep_ledger_view_failures_total',
      help: 'Steps of a view that failed and were tried again.',
      labelNames: ['view'],
      registers,
    }),
  }
}
