import { type RunningKafka, startKafka } from '../../../../infra/kafka/start.ts'
import type { FaultProxy } from '../../../../infra/proxy/proxy.ts'
import { startRoute } from '../../../../infra/proxy/route.ts'
import { Adapter } from './adapter.ts'
import { Plain } from './plain.ts'

/** A broker, the proxies before it, and clients of both kinds. */
export interface Bench {
  readonly kafka: RunningKafka
  /** What clients go through, if nothing else is said. */
  readonly proxy: FaultProxy
  readonly other: FaultProxy
  /** What the broker speaks through to itself. */
  readonly between: FaultProxy
  /** A name that no topic has had yet. */
  name(): string
  plain(way?: FaultProxy): Plain
  ours(way?: FaultProxy): Promise<Adapter>
  /** Ends all clients that were made; the weather is fine again. */
  tidy(): Promise<void>
  close(): Promise<void>
}

/** One broker on `dir`, and three proxies before it. */
export async function startBench(dir: string): Promise<Bench> {
  const kafka = await startKafka({ brokers: 1, dir, routes: 3, between: true })
  const proxies = (await Promise.all(kafka.routes.map(startRoute))).flat()
  const [proxy, other, between] = proxies
  if (proxy === undefined || other === undefined || between === undefined) throw new RangeError('a route has a proxy')
  const open: { close(): Promise<void> }[] = []
  let names = 0
  const kept = <T extends { close(): Promise<void> }>(one: T): T => {
    open.push(one)
    return one
  }
  const tidy = async (): Promise<void> => {
    for (const proxy of proxies) proxy.weather({})
    await Promise.all(open.splice(0).map(one => one.close().catch(() => {})))
  }
  return {
    kafka,
    proxy,
    other,
    between,
    name: () => `rules-${++names}`,
    plain: (way = proxy) => kept(new Plain([way.address])),
    ours: async (way = proxy) => kept(await Adapter.open([way.address])),
    tidy,
    close: async () => {
      await tidy()
      await Promise.all(proxies.map(proxy => proxy.close()))
      await kafka.stop()
    },
  }
}
