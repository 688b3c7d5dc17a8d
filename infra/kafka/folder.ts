import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Besides, type BrokerPorts, serverProperties } from './properties.ts'

/** One broker's place on disk: `DIR/broker-1` and so on. */
export interface BrokerFolder {
  readonly id: number
  /** Where its server.properties go, and what they say: written anew at each start, because ports may change. */
  readonly file: string
  readonly properties: string
  /** What it says. */
  readonly log: string
  /** Whether its storage was formatted, on some start before. */
  readonly formatted: boolean
}

interface Cluster {
  readonly clusterId: string
  readonly brokers: number
}

/**
 * Makes the folder of a cluster ready, or finds it as an earlier start left it. Throws, with what to do, when it holds a
 * cluster of another size, or something else.
 */
export function openFolder(
  path: string,
  ports: readonly BrokerPorts[],
  besides?: Besides,
): Cluster & { folders: BrokerFolder[] } {
  const dir = resolve(path)
  if (dir.includes(',')) throw new Error(`${dir}: Kafka takes a comma for the end of a path; name another folder`)
  const cluster = clusterOf(dir, ports.length)
  const folders = ports.map((_, n): BrokerFolder => {
    const id = n + 1
    const folder = join(dir, `broker-${id}`)
    const data = join(folder, 'data')
    mkdirSync(data, { recursive: true })
    return {
      id,
      file: join(folder, 'server.properties'),
      properties: serverProperties({ id, ports, data, besides }),
      log: join(folder, 'broker.log'),
      formatted: existsSync(join(data, 'meta.properties')),
    }
  })
  return { ...cluster, folders }
}

function clusterOf(dir: string, brokers: number): Cluster {
  const file = join(dir, 'cluster.json')
  mkdirSync(dir, { recursive: true })
  if (!existsSync(file)) {
    if (readdirSync(dir).some(name => name !== 'lock'))
      throw new Error(`${dir} holds something else than Kafka: name an empty folder`)
    const made: Cluster = { clusterId: randomBytes(16).toString('base64url'), brokers }
    writeFileSync(file, `${JSON.stringify(made)}\n`, { flag: 'wx' })
    return made
  }
  const found = read(file)
  if (found.brokers !== brokers) {
    const other = `${found.brokers} ${found.brokers === 1 ? 'broker' : 'brokers'}`
    throw new Error(
      `${dir} holds a cluster of ${other}: start it with --brokers ${found.brokers}, or name another folder`,
    )
  }
  return found
}

function read(file: string): Cluster {
  try {
    const { clusterId, brokers } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Cluster>
    if (typeof clusterId === 'string' && typeof brokers === 'number') return { clusterId, brokers }
  } catch {
    // Said below, whatever it was.
  }
  throw new Error(`${file} is not what a start of Kafka writes there: name another folder, or remove this one`)
}
