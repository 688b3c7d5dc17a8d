import { createServer } from 'node:net'

/**
 * Where free ports are looked for: below the range that systems give to outgoing connections (from 32768 on Linux, 49152 on
 * macOS). A port in that range may go to some client while its server restarts, and a client that keeps trying a dead one
 * there may even connect to itself.
 */
const from = 20_000
const below = 32_000
const triesMax = 1_000

/** `count` ports of 127.0.0.1 that nobody listens on now. Nothing holds them: bind them soon. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>()
  for (let tries = 0; found.size < count; tries++) {
    if (tries > triesMax) throw new Error(`there are no ${count} free ports from ${from} to ${below} on 127.0.0.1`)
    const port = from + Math.floor(Math.random() * (below - from))
    if (await isFree(port)) found.add(port)
  }
  return [...found]
}

/** Whether `port` of 127.0.0.1 could be listened on just now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.on('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
