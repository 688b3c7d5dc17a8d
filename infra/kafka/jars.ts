import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder, filledOnce } from '../cache.ts'
import { findMaven, run } from './java.ts'

/** What is fetched: the broker, or Kafka's own tools, which come out later than it. */
export type Pom = 'pom.xml' | 'tools.xml'

const fileOf = (pom: Pom): string => fileURLToPath(new URL(pom, import.meta.url))

/** Kafka's jars in the cache. */
export interface Jars {
  /** Folder in the cache, for what is made of them besides. */
  readonly home: string
  /** For `java -cp`; the same text each time, as an AppCDS archive wants it. */
  readonly classPath: string
}

/** Version of Kafka, and the folder that its jars are kept in: another pom is another folder. */
export function kafkaHome(pom: Pom = 'pom.xml'): { readonly version: string; readonly home: string } {
  const text = readFileSync(fileOf(pom), 'utf8')
  const version = /<kafka\.version>(.*)<\/kafka\.version>/.exec(text)?.[1] ?? 'unknown'
  const mark = createHash('sha256').update(text).digest('hex').slice(0, 8)
  return { version, home: join(cacheFolder(), `${pom === 'pom.xml' ? 'kafka' : 'kafka-tools'}-${version}-${mark}`) }
}

/**
 * The jars, fetched from Maven Central when they are not in the cache yet (45 MB). Throws `Missing` when there is no Maven.
 */
export async function kafkaJars(
  say: (line: string) => void,
  signal?: AbortSignal,
  pom: Pom = 'pom.xml',
): Promise<Jars> {
  const { version, home } = kafkaHome(pom)
  const lib = join(home, 'lib')
  if (!existsSync(lib)) await findMaven()
  await filledOnce(lib, async partial => {
    say(`Fetching Apache Kafka ${version} from Maven Central, once, into ${home}`)
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${partial}`]
    await run('mvn', ['-q', '-B', '-f', fileOf(pom), ...goal], signal)
  })
  const jars = readdirSync(lib).filter(name => name.endsWith('.jar'))
  return {
    home,
    classPath: jars
      .sort()
      .map(name => join(lib, name))
      .join(delimiter),
  }
}
