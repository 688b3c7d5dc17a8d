import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../ports.ts'
import { format, type Program, startBroker, untilReady } from './brokers.ts'
import { openFolder } from './folder.ts'

const startMsMax = 60_000
const endMsMax = 60_000

/**
 * The program with Kafka's classes as this Java has loaded them before (AppCDS), which takes some 40 % off each start. The
 * first use makes the archive with a broker on a throw-away folder. Without it all works, only slower: a failure here is
 * said and no more.
 */
export async function withArchive(
  program: Program,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<Program> {
  const { home, classPath } = program.jars
  const mark = createHash('sha256').update(`${program.java.version}\n${classPath}`).digest('hex').slice(0, 8)
  const archive = join(home, `classes-${mark}.jsa`)
  if (!existsSync(archive)) {
    say('Making an archive of its classes, once, for quicker starts')
    const folder = mkdtempSync(join(home, 'archive-'))
    try {
      const made = join(folder, 'classes.jsa')
      await record({ ...program, jvm: [`-XX:ArchiveClassesAtExit=${made}`] }, join(folder, 'broker'), signal)
      renameSync(made, archive)
    } catch (error) {
      signal?.throwIfAborted()
      say(`There is no archive, so starts are slower: ${error instanceof Error ? error.message : String(error)}`)
      return program
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  // An archive that does not fit is passed over in silence.
  return { ...program, jvm: [`-XX:SharedArchiveFile=${archive}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off'] }
}

/** One life of a broker; the JVM writes down what it has loaded when it ends. */
async function record(program: Program, dir: string, signal?: AbortSignal): Promise<void> {
  const [client = 0, controller = 0] = await freePorts(2)
  const { clusterId, folders } = openFolder(dir, [{ client, controller }])
  const [folder] = folders
  if (folder === undefined) throw new RangeError('a cluster has a broker')
  await format({ ...program, jvm: [] }, folder, clusterId, [], signal)
  const broker = startBroker(program, folder)
  try {
    await untilReady(broker, `127.0.0.1:${client}`, [folder.id], startMsMax, signal)
  } finally {
    await broker.end(signal?.aborted ? 0 : endMsMax)
  }
}
