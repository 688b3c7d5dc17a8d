import { createHash } from 'node:crypto'

/**
 * A day at a gateway, made up from a seed: agents get leases, use them up, ask for more, are denied, drift from what a
 * person approved, read a page that tells them what to do. The demo tells its story with it and the benchmarks measure
 * with it; the same seed gives the same bytes everywhere.
 */

export interface SampleEvent {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly time: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface SampleOptions {
  readonly seed: number
  readonly events: number
  /** Time of the first event, ms since the epoch. */
  readonly startMs: number
  readonly source?: string
}

const tools = [
  { server: 'srv-files', tool: 'read_file', sideEffect: 'read', risky: false },
  { server: 'srv-files', tool: 'write_file', sideEffect: 'mutate-local', risky: true },
  { server: 'srv-web', tool: 'fetch_url', sideEffect: 'network-egress', risky: false },
  { server: 'srv-mail', tool: 'send_mail', sideEffect: 'network-egress', risky: true },
  { server: 'srv-deploy', tool: 'deploy_service', sideEffect: 'mutate-external', risky: true },
  { server: 'srv-db', tool: 'query_db', sideEffect: 'read', risky: false },
  { server: 'srv-db', tool: 'run_migration', sideEffect: undefined, risky: true },
  { server: 'srv-tracker', tool: 'create_ticket', sideEffect: 'mutate-external', risky: false },
] as const
type Tool = (typeof tools)[number]

interface HeldLease {
  readonly id: string
  readonly tool: Tool
  readonly expiresAtMs: number
  left: number
}

interface Principal {
  readonly hash: string
  readonly session: string
  readonly run: string
  readonly leases: HeldLease[]
}

/** A small generator of its own (mulberry32): the same numbers on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Yields exactly `events` events, in the order and at the times a gateway would send them. */
export function* sampleStream(options: SampleOptions): Generator<SampleEvent> {
  let made = 0
  for (const event of endlessStream(options)) {
    if (made === options.events) return
    made += 1
    yield event
  }
}

function* endlessStream({ seed, startMs, source = 'urn:example:gateway:1' }: SampleOptions): Generator<SampleEvent> {
  const random = seededRandom(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
  let n = 0
  let nowMs = startMs
  const event = (type: string, data: SampleEvent['data']): SampleEvent => {
    n += 1
    nowMs += 1 + Math.floor(random() * 40)
    return { specversion: '1.0', id: idOf(seed, nowMs, n), source, type, time: new Date(nowMs).toISOString(), data }
  }
  const principals = Array.from({ length: 40 }, (_, p): Principal => {
    const hash = digest(`principal ${seed} ${p}`).slice(0, 16)
    return { hash, session: `sess-${hash.slice(0, 8)}`, run: `run-${hash.slice(8)}`, leases: [] }
  })
  for (;;) {
    const who = pick(principals)
    const tool = pick(tools)
    const { server, sideEffect } = tool
    const run = `${who.run}-${Math.floor(n / 200)}`
    const argsDigest = digest(`args ${n}`)
    const base = {
      run_id: run,
      principal: { principal_hash: who.hash, session_id: who.session },
      target: { server_id: server, tool_name: tool.tool },
      ...(sideEffect && { side_effect_class: sideEffect }),
      policy: { policy_id: 'gateway-default', version: '12', digest: digest('gateway-default 12') },
      args_digest: argsDigest,
      tool_descriptor_digest: digest(`descriptor ${tool.tool}`),
    }
    const lease = who.leases.find(held => held.tool === tool && held.expiresAtMs > nowMs)
    if (tool.risky && lease === undefined) {
      const ask = event('aep.decision', {
        ...base,
        decision: 'ask_user',
        approval_mode: 'none',
        reasons: ['No lease holds for a tool that changes state.'],
      })
      yield ask
      if (random() < 0.7) {
        const held: HeldLease = {
          id: digest(`lease ${seed} ${n}`).slice(0, 16),
          tool,
          expiresAtMs: nowMs + 60_000 * (1 + Math.floor(random() * 30)),
          left: 1 + Math.floor(random() * 5),
        }
        who.leases.push(held)
        yield event('aep.receipt', {
          receipt_id: `rcpt-${held.id}`,
          principal_hash: who.hash,
          tool_name: tool.tool,
          server_id: server,
          session_id: who.session,
          args_digest: argsDigest,
          ui_text_digest: digest(`ui ${n}`),
          approved_at: new Date(nowMs).toISOString(),
        })
        yield event('aep.lease.granted', {
          lease_id: held.id,
          principal_hash: who.hash,
          server_id: server,
          granted_tools: [tool.tool],
          expires_at: new Date(held.expiresAtMs).toISOString(),
          state_changing: true,
          max_invocations: held.left,
          session_id: who.session,
        })
      }
      continue
    }
    if (lease !== undefined && lease.left === 0) {
      yield event('aep.decision', {
        ...base,
        decision: 'deny',
        deny_reason_class: 'missing-delegation',
        approval_mode: 'policy-deny-with-evidence',
        lease_id: lease.id,
        reasons: [`Lease ${lease.id} is used up.`],
      })
      who.leases.splice(who.leases.indexOf(lease), 1)
      continue
    }
    if (random() < 0.06) {
      const why = pick(['tainted-input', 'policy-rule', 'argument', 'tool-identity'] as const)
      yield event('aep.decision', {
        ...base,
        decision: 'deny',
        deny_reason_class: why,
        approval_mode: 'policy-deny-with-evidence',
        reasons: [reasonOf[why]],
      })
      continue
    }
    const decision = event('aep.decision', {
      ...base,
      decision: 'allow',
      approval_mode: lease ? 'bounded-lease' : 'none',
      ...(lease && { lease_id: lease.id }),
    })
    yield decision
    if (lease !== undefined) {
      lease.left -= 1
      yield event('aep.lease.used', { lease_id: lease.id, decision_event_id: decision.id, tool_name: tool.tool })
    }
    const drifted = random() < 0.02
    yield event('aep.result', {
      decision_event_id: decision.id,
      run_id: run,
      principal_hash: who.hash,
      server_id: server,
      tool_name: tool.tool,
      outcome: random() < 0.95 ? 'succeeded' : 'failed',
      ...(sideEffect && { side_effect_class: sideEffect }),
      executed_args_digest: drifted ? digest(`other args ${n}`) : argsDigest,
      result_digest: digest(`result ${n}`),
      ...(drifted && {
        drift: { detected: true, approved_args_digest: argsDigest, observed_args_digest: digest(`other args ${n}`) },
      }),
    })
    if (tool.tool === 'fetch_url' && random() < 0.2) {
      yield event('aep.taint', {
        source_tool: tool.tool,
        trust: 'untrusted',
        content_type: 'html',
        content_digest: digest(`page ${n}`),
        instruction_like_text_detected: random() < 0.3,
        session_id: who.session,
        decision_event_id: decision.id,
      })
    }
  }
}

const reasonOf = {
  'tainted-input': 'The arguments quote a fetched page that carries instructions.',
  'policy-rule': 'Writes to production are denied outside a change window.',
  argument: 'The arguments are not those that were approved.',
  'tool-identity': 'The tool description changed after it was vetted.',
} as const

/** A UUIDv7 (RFC 9562 section 5.7) of the time, with a counter and the seed where randomness would stand. */
function idOf(seed: number, ms: number, n: number): string {
  const time = ms.toString(16).padStart(12, '0')
  const tail = createHash('sha256').update(`${seed} ${n}`).digest('hex')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${tail.slice(0, 3)}-8${tail.slice(3, 6)}-${tail.slice(6, 18)}`
}
