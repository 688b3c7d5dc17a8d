import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder, filledOnce } from '../cache.ts'
import { Missing, run } from '../kafka/java.ts'

/** What the checks are made with. Each is fetched once from its package registry, pinned, into a folder of the cache. */
export type ToolName = 'python' | 'helm' | 'promtool' | 'models'

/** Folder of each tool that there is. */
export type Tools = Readonly<Record<ToolName, string>>

const helmVersion = 'v3.22.0'
/** Prometheus v3.16.0, as in compose.yaml: its Go module counts otherwise. */
const promtoolVersion = 'v0.316.0'
/** Kubernetes that the chart is rendered for: the newest whose schemas kubernetes-validate brings. */
export const kubernetesVersion = '1.37.0'

/** A tool's folder, filled where need be (`say` tells). Throws `Missing` where the machine can't. */
export async function toolFolder(name: ToolName, say: (line: string) => void): Promise<string> {
  if (name === 'python') return pythonPackages(say)
  if (name === 'models') return models(say)
  if (name === 'helm') return goProgram(`helm.sh/helm/v3/cmd/helm@${helmVersion}`, [], say)
  // Without the ways to discover targets that we don't use, the greater part of its code.
  const tags = ['-tags', 'remove_all_sd,enable_dns_sd']
  return goProgram(`github.com/prometheus/prometheus/cmd/promtool@${promtoolVersion}`, tags, say)
}

async function pythonPackages(say: (line: string) => void): Promise<string> {
  const requirements = fileURLToPath(new URL('requirements.txt', import.meta.url))
  const version = await told('python3', ['--version'], 'python3, from 3.10 on')
  return filledOnce(folder('python', readFileSync(requirements, 'utf8') + version), async partial => {
    say('Fetching the linters of requirements.txt with pip, once')
    await run('python3', ['-m', 'venv', partial])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', requirements]
    await run(join(partial, 'bin', 'python'), pip)
  })
}

async function models(say: (line: string) => void): Promise<string> {
  const from = fileURLToPath(new URL('npm/', import.meta.url))
  const text = readFileSync(join(from, 'package-lock.json'), 'utf8')
  return filledOnce(folder('models', text), async partial => {
    say('Fetching the schemas of the Prometheus operator with npm, once')
    for (const file of ['package.json', 'package-lock.json']) cpSync(join(from, file), join(partial, file))
    await run('npm', ['ci', '--prefix', partial, '--ignore-scripts', '--no-audit', '--no-fund'])
  })
}

async function goProgram(from: string, options: readonly string[], say: (line: string) => void): Promise<string> {
  const version = await told('go', ['version'], 'go, from 1.25 on')
  return filledOnce(folder(from.replace(/.*\/(.*)@.*/, '$1'), from + options.join() + version), async partial => {
    say(`Building ${from}, once: this takes minutes`)
    await run('env', [`GOBIN=${partial}`, 'go', 'install', '-ldflags=-s -w', ...options, from])
  })
}

/** Another pin, or another version of what runs it, is another folder. */
const folder = (name: string, marked: string): string =>
  join(cacheFolder(), `lint-${name}-${createHash('sha256').update(marked).digest('hex').slice(0, 8)}`)

const told = (program: string, args: readonly string[], needed: string): Promise<string> =>
  ask(program, args).catch(() => {
    throw new Missing(`there is no ${needed}`)
  })

/** What a program that fails has to say. */
export class Complaint extends Error {}

export interface AskOptions {
  readonly cwd?: string
  readonly input?: string
}

/** What a program writes on its standard output. Throws `Complaint`, with all that it said, when it fails. */
export function ask(program: string, args: readonly string[], { cwd, input }: AskOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 1 << 26, ...(cwd !== undefined && { cwd }) }
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Complaint(`${stdout}${stderr}`.trim() || error.message))
    })
    // One that ends before it has read everything has said why.
    child.stdin?.on('error', () => {}).end(input ?? '')
  })
}

const toJson = `
import json, sys, yaml
json.dump([part for part in yaml.safe_load_all(sys.stdin) if part is not None], sys.stdout, default=str)`

/** The documents of a YAML text. */
export async function yamlDocuments(tools: Tools, text: string): Promise<readonly unknown[]> {
  return JSON.parse(await ask(join(tools.python, 'bin', 'python'), ['-c', toJson], { input: text })) as unknown[]
}
