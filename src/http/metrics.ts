import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { FaultCode } from '../base/fault.ts'
import type { Admission } from './admission.ts'
import type { Streams } from './streams.ts'

/** What this room counts. No label names a ledger or a token: the number of series is bounded by routes and faults. */
export interface HttpMetrics {
  /** Notes that `operation` answered `status` after `ms`. Cost: one map look-up. */
  answered(operation: string, status: number, ms: number): void
  /** Notes what became of events. */
  placed(created: number, duplicate: number, conflict: number): void
  failed(code: FaultCode): void
}

export function httpMetrics(registry: Registry, admission: Admission, streams: Streams): HttpMetrics {
  const registers = [registry]
  const duration = new Histogram({
    name: 'aep_ledger_http_request_duration_seconds',
    help: 'Time from the head of a request to the end of its answer.',
    labelNames: ['operation', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  })
  const events = new Counter({
    name: 'aep_ledger_ingest_events_total',
    help: 'Events by what became of them.',
    labelNames: ['status'],
    registers,
  })
  const problems = new Counter({
    name: 'aep_ledger_http_problems_total',
    help: 'Requests that ended in a problem, by its code.',
    labelNames: ['code'],
    registers,
  })
  gauge(registry, 'aep_ledger_ingest_in_flight_requests', 'Ingest requests under way.', () => admission.requests)
  gauge(registry, 'aep_ledger_ingest_in_flight_bytes', 'Announced bytes of ingest under way.', () => admission.bytes)
  gauge(registry, 'aep_ledger_http_streams', 'Exports and followers under way.', () => streams.size)
  const [created, duplicate, conflict] = ['created', 'duplicate', 'conflict'].map(status => events.labels(status))
  const durations = new Map<string, ReturnType<typeof duration.labels>>()
  return {
    answered(operation, status, ms) {
      const key = `${operation} ${status}`
      let child = durations.get(key)
      if (child === undefined) {
        child = duration.labels(operation, String(status))
        durations.set(key, child)
      }
      child.observe(ms / 1000)
    },
    placed(createdCount, duplicateCount, conflictCount) {
      if (createdCount > 0) created?.inc(createdCount)
      if (duplicateCount > 0) duplicate?.inc(duplicateCount)
      if (conflictCount > 0) conflict?.inc(conflictCount)
    },
    failed(code) {
      problems.labels(code).inc()
    },
  }
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    ...{ name, help, registers: [registry] },
    collect() {
      this.set(read())
    },
  })
}
