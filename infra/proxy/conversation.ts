import { FrameCutter } from './frames.ts'
import type { Inspector, Verdict } from './lane.ts'
import type { Plan, Plans, Request } from './plan.ts'

/**
 * The frames of one connection, as far as faults need them: which request each one is, and which answer is whose. Answers
 * are told by their correlation ids, because a request may have none (a produce with acks=0).
 */
export function conversation(plans: Plans, connection: number): { requests: Inspector; answers: Inspector } {
  const lost = new Map<number, { request: Request; plan: Plan }>()
  return {
    requests: inspector(12, head => {
      const request: Request = {
        api: head.readInt16BE(4),
        version: head.readInt16BE(6),
        correlation: head.readInt32BE(8),
        connection,
      }
      const plan = plans.meet(request)
      if (plan === undefined) return 'pass'
      if (plan.fault.what === 'request') return happen(plan, request)
      lost.set(request.correlation, { request, plan })
      return 'pass'
    }),
    answers: inspector(8, head => {
      const correlation = head.readInt32BE(4)
      const found = lost.get(correlation)
      if (found === undefined) return 'pass'
      lost.delete(correlation)
      return happen(found.plan, found.request)
    }),
  }
}

function happen(plan: Plan, request: Request): Verdict | Promise<Verdict> {
  plan.meet(request)
  return plan.fault.how === 'hold' ? plan.released.then(() => 'pass') : plan.fault.how
}

function inspector(headBytes: number, judge: Inspector['judge']): Inspector {
  const cutter = new FrameCutter(headBytes)
  return { take: chunk => cutter.take(chunk), rest: () => cutter.rest(), judge }
}
