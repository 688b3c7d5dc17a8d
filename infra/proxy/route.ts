import type { Route } from '../kafka/start.ts'
import { type FaultProxy, startProxy } from './proxy.ts'

/** The proxies of a route, one a broker in the order of their ids. */
export function startRoute(route: readonly Route[]): Promise<FaultProxy[]> {
  return Promise.all(route.map(({ proxy, to }) => startProxy({ to, port: Number(proxy.split(':')[1]) })))
}
