import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const majorMin = 17

/** Something that the machine lacks; `message` says what to do. */
export class Missing extends Error {}

export interface Java {
  /** The program, by its path or its name. */
  readonly program: string
  /** All that it says of its version: another text is another Java. */
  readonly version: string
}

/** The Java of JAVA_HOME, or of the PATH. Throws `Missing`. */
export async function findJava(): Promise<Java> {
  const home = process.env['JAVA_HOME'] ?? ''
  const program = home === '' ? 'java' : `${home}/bin/java`
  const { stderr } = await execute(program, ['-version']).catch(() => {
    throw new Missing(`${program} does not run: ${install('openjdk-17-jre-headless')}`)
  })
  const major = Number(/version "(\d+)/.exec(stderr)?.[1])
  if (!(major >= majorMin)) {
    const first = stderr.split('\n')[0]
    throw new Missing(
      `Kafka 4 needs Java ${majorMin} or newer, and ${program} is ${first}: set JAVA_HOME to a newer one`,
    )
  }
  return { program, version: stderr.trim() }
}

/** Throws `Missing` when there is no Maven. */
export async function findMaven(): Promise<void> {
  await execute('mvn', ['--version']).catch(() => {
    throw new Missing(`mvn does not run, and Kafka's jars are fetched with it: ${install('maven')}`)
  })
}

const install = (name: string): string => `install it, for example with \`apt-get install ${name}\``

/** Runs a program to its end. Throws with the last of what it said when it fails. */
export async function run(program: string, args: readonly string[], signal?: AbortSignal): Promise<void> {
  const options = { maxBuffer: 1 << 26, ...(signal === undefined ? {} : { signal }) }
  await execute(program, args, options).catch((error: Error & { stdout?: string; stderr?: string }) => {
    if (signal?.aborted) throw error
    const said = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim().split('\n').slice(-12).join('\n')
    throw new Error(`${program} failed: ${said === '' ? error.message : said}`)
  })
}
