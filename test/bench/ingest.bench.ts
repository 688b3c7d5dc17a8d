import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { serve } from '../../infra/serve.ts'
import { bodies, must, ndjson, runLoad, single } from './gateway.ts'
import { opensslRates } from './openssl.ts'
import { ms, type Print, percent, percentile, perSecond, type Row, rate, type Scale, type Section } from './section.ts'

/**
 * Ingest over HTTP, durable and signed: each figure beside its peer, taken in turns in one run, on the same machine that
 * also makes the load.
 */

/** A Fastify route that only parses the same body: the bound of any HTTP service written on it. */
async function bareFastify(): Promise<{ url: string; close: () => Promise<void> }> {
  const app = Fastify()
  app.addContentTypeParser(single, { parseAs: 'string' }, (_, body, done) => done(null, JSON.parse(String(body))))
  app.post('/', (request, reply) => reply.code(201).send({ id: (request.body as { id: string }).id }))
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { url, close: () => app.close() }
}

export async function benchIngest(print: Print, scale: Scale): Promise<Section> {
  const rounds = scale === 'full' ? 4 : 1
  const durationMs = scale === 'full' ? 6_000 : 1_500
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-bench-'))
  const bare = await bareFastify()
  const serving = await serve(join(dir, 'data'), {
    AEP_LEDGER_LOG_LEVEL: 'error',
    AEP_LEDGER_RATE_PER_TOKEN: '1000000',
  })
  const plan = { url: `${serving.url}/v1/ledgers/default/events`, token: serving.token, durationMs, expect: 201 }
  const batchShare: number[] = []
  const batchRate: number[] = []
  const singleShare: number[] = []
  const singleRate: number[] = []
  const alone: number[] = []
  let lane = 1
  try {
    const perRound = Math.ceil((durationMs / 1000) * 200)
    must(
      await runLoad({ ...plan, contentType: ndjson, clients: 8, bodies: bodies(lane++, 100, 100), durationMs: 3_000 }),
    )
    for (let round = 0; round < rounds; round++) {
      const sign = opensslRates(2).sign
      const batches = must(
        await runLoad({ ...plan, contentType: ndjson, clients: 8, bodies: bodies(lane++, perRound, 100) }),
      )
      const signAfter = opensslRates(2).sign
      const events = perSecond(100 * batches.answered, batches.elapsedMs)
      batchRate.push(events)
      batchShare.push(events / ((sign + signAfter) / 2))
      print(`ingest round ${round + 1}: ${rate(events)} in batches, openssl ${rate((sign + signAfter) / 2)}`)

      const few = bodies(lane++, Math.ceil((durationMs / 1000) * 15_000), 1)
      const peerBefore = must(await runLoad({ ...plan, url: bare.url, contentType: single, clients: 64, bodies: few }))
      const singles = must(await runLoad({ ...plan, contentType: single, clients: 64, bodies: few }))
      const peer = perSecond(peerBefore.answered, peerBefore.elapsedMs)
      const ours = perSecond(singles.answered, singles.elapsedMs)
      singleRate.push(ours)
      singleShare.push(ours / peer)
      print(`ingest round ${round + 1}: ${rate(ours)} one by one, a bare route ${rate(peer)}`)

      const one = must(
        await runLoad({
          ...plan,
          contentType: single,
          clients: 1,
          bodies: bodies(lane++, scale === 'full' ? 1000 : 200, 1),
        }),
      )
      alone.push(percentile(one.latenciesMs, 0.99))
    }
  } finally {
    await serving.stop()
    await bare.close()
    rmSync(dir, { recursive: true, force: true })
  }
  const median = (values: readonly number[]): number => percentile(values, 0.5)
  const rows: Row[] = [
    {
      what: 'NDJSON batches of 100, 8 clients',
      figure: `${rate(median(batchRate))}, ${percent(median(batchShare))} of openssl's signing rate on one core`,
      target: 'at least 50 %',
      met: median(batchShare) >= 0.5,
      bound:
        'both cores are full: signing takes its share of one by definition; reading, checking, linking and answering fill the main thread; state, ClickHouse’s rows and the load generator want the rest',
    },
    {
      what: 'single events, 64 clients',
      figure: `${rate(median(singleRate))}, ${percent(median(singleShare))} of a bare Fastify route that only parses`,
      target: 'at least 35 %',
      met: median(singleShare) >= 0.35,
      bound:
        'a request costs what it costs the bare route; on top come its check, its signature, its part of a sync, its lease and its row, on the same two cores',
    },
    {
      what: 'p99 of a single durable event, unloaded',
      figure: ms(median(alone)),
      target: 'under 25 ms',
      met: median(alone) < 25,
    },
  ]
  return {
    title: 'Ingest over HTTP, durable and signed',
    how: `Sample events of 600 B; ${rounds} rounds of ${durationMs / 1000} s, each beside its peer in the same round, medians; load generator, service and its ClickHouse on the same two cores.`,
    rows,
  }
}
