import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Metrics of the loops; `http` registers its own beside them. Names and units as Prometheus advises. */
export interface ServiceMetrics {
  readonly registry: Registry
  readonly appended: Counter<'ledger'>
  readonly batchEvents: Histogram
  readonly conflicts: Counter<'ledger'>
  readonly viewPosition: Gauge<'view' | 'ledger'>
  readonly head: Gauge<'ledger'>
  readonly viewFailures: Counter<'view'>
}

/** A registry of its own, so that two services in one process (tests) don't mix. `queued` is asked at each scrape. */
export function serviceMetrics(queued: () => number): ServiceMetrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  new Gauge({
    name: 'aep_ledger_queue_events',
    help: 'Events that wait for their place.',
    registers,
    collect() {
      this.set(queued())
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
    viewPosition: new Gauge({
      name: 'aep_ledger_view_position',
      help: 'Last seq that a view holds.',
      labelNames: ['view', 'ledger'],
      registers,
    }),
    head: new Gauge({ name: 'aep_ledger_head_seq', help: 'Last seq of a ledger.', labelNames: ['ledger'], registers }),
    viewFailures: new Counter({
      name: 'aep_ledger_view_failures_total',
      help: 'Steps of a view that failed and were tried again.',
      labelNames: ['view'],
      registers,
    }),
  }
}
