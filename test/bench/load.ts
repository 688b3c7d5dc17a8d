import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

/**
 * A load generator in a thread of its own: `clients` closed loops, each sending its next body when the last was answered.
 * Bodies are made beforehand, so that what is measured is the server and as little as can be of this.
 */

export interface LoadPlan {
  readonly url: string
  readonly token: string
  readonly contentType: string
  readonly clients: number
  /** Bodies of all clients; client c sends bodies c, c + clients, … */
  readonly bodies: readonly string[]
  /** Ends after this time, or when the bodies do. */
  readonly durationMs: number
  /** Status that every answer must have. */
  readonly expect: number
}

export interface LoadResult {
  readonly answered: number
  readonly elapsedMs: number
  readonly latenciesMs: readonly number[]
  readonly failures: readonly string[]
}

export async function load(plan: LoadPlan): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: plan.clients })
  const latenciesMs: number[] = []
  const failures: string[] = []
  const begun = performance.now()
  const client = async (first: number): Promise<void> => {
    for (let n = first; n < plan.bodies.length; n += plan.clients) {
      const sent = performance.now()
      if (sent - begun > plan.durationMs) return
      const status = await post(agent, plan, plan.bodies[n] ?? '')
      if (status === plan.expect) latenciesMs.push(performance.now() - sent)
      else failures.push(`status ${status}`)
    }
  }
  await Promise.all(Array.from({ length: plan.clients }, (_, n) => client(n)))
  const elapsedMs = performance.now() - begun
  agent.destroy()
  return { answered: latenciesMs.length, elapsedMs, latenciesMs, failures }
}

function post(agent: Agent, plan: LoadPlan, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      plan.url,
      {
        agent,
        method: 'POST',
        headers: {
          authorization: `Bearer ${plan.token}`,
          'content-type': plan.contentType,
          'content-length': Buffer.byteLength(body),
        },
      },
      incoming => {
        incoming.resume()
        incoming.on('end', () => resolve(incoming.statusCode ?? 0))
        incoming.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

if (parentPort !== null) parentPort.postMessage(await load(workerData as LoadPlan))
