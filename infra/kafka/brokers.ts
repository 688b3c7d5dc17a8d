import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import type { BrokerFolder } from './folder.ts'
import type { Jars } from './jars.ts'
import { type Java, run } from './java.ts'
import { type BrokerProcess, startProcess } from './process.ts'

/** What every broker is run with. */
export interface Program {
  readonly java: Java
  readonly jars: Jars
  /** Options of the JVM besides. */
  readonly jvm: readonly string[]
}

const log4j2 = new URL('log4j2.xml', import.meta.url).href

const arguments_ = ({ jars, jvm }: Program, main: string, ...rest: readonly string[]): string[] => [
  ...['-XX:+UseSerialGC', '-XX:-UsePerfData', ...jvm],
  ...[`-Dlog4j2.configurationFile=${log4j2}`, '-cp', jars.classPath, main, ...rest],
]

/** Formats the storage of a broker that has none; `besides` are options of the tool. */
export async function format(
  program: Program,
  folder: BrokerFolder,
  clusterId: string,
  besides: readonly string[] = [],
  signal?: AbortSignal,
) {
  if (folder.formatted) return
  writeFileSync(folder.file, folder.properties)
  // With `=`, because an id may begin with a dash.
  const rest = ['format', `--cluster-id=${clusterId}`, '--config', folder.file, ...besides]
  await run(program.java.program, arguments_(program, 'kafka.tools.StorageTool', ...rest), signal)
}

/** Starts a broker, whose storage is formatted; it is not ready yet. */
export function startBroker(program: Program, folder: BrokerFolder): BrokerProcess {
  writeFileSync(folder.file, folder.properties)
  const memory = ['-Xmx384m', '-XX:+ExitOnOutOfMemoryError']
  const args = arguments_({ ...program, jvm: [...memory, ...program.jvm] }, 'kafka.Kafka', folder.file)
  return startProcess(program.java.program, args, folder.log)
}

/**
 * Waits until the broker at `address` says that all of `ids` take requests, itself among them. Throws when it ends before,
 * or takes longer than `msMax`.
 */
export async function untilReady(
  { gone }: BrokerProcess,
  address: string,
  ids: readonly number[],
  msMax: number,
  signal?: AbortSignal,
): Promise<void> {
  let ended: string | undefined
  void gone.then(why => {
    ended = why
  })
  for (const until = performance.now() + msMax; performance.now() < until; await sleep(50)) {
    if (ended !== undefined) throw new Error(`the broker at ${address} did not start: ${ended}`)
    signal?.throwIfAborted()
    const there = await brokersAt(address)
    if (ids.every(id => there.includes(id))) return
  }
  throw new Error(`the broker at ${address} was not ready within ${msMax / 1_000} s`)
}

/** Ids of the brokers that the one at `address` knows of and that take requests; none when it does not answer. */
async function brokersAt(address: string): Promise<number[]> {
  // A new client each time asks this broker, and not one that it has heard of.
  const kafka = new Kafka({
    brokers: [address],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1_000,
    requestTimeout: 2_000,
    retry: { retries: 0 },
  })
  const admin = kafka.admin()
  try {
    await admin.connect()
    const { brokers, controller } = await admin.describeCluster()
    return controller === null ? [] : brokers.map(({ nodeId }) => nodeId)
  } catch {
    return []
  } finally {
    await admin.disconnect().catch(() => {})
  }
}
