import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { type Check, demandNone } from './check.ts'
import { checkEnvironment } from './settings.ts'

/** One instruction of a Dockerfile, its lines joined. */
interface Instruction {
  readonly name: string
  readonly rest: string
}

export function instructionsOf(text: string): readonly Instruction[] {
  return text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map(line => /^(\w+)\s+(.*)$/.exec(line.trim()))
    .filter(match => match !== null)
    .map(([, name = '', rest = '']) => ({ name: name.toUpperCase(), rest }))
}

/** What the final image takes out of the repository. */
export function copiedFrom(text: string): readonly string[] {
  return instructionsOf(text)
    .filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from'))
    .flatMap(({ rest }) => rest.split(/\s+/).slice(0, -1))
}

function* houseRules(root: string): Generator<string> {
  const text = readFileSync(join(root, 'Dockerfile'), 'utf8')
  const instructions = instructionsOf(text)
  const last = (wanted: string): string => instructions.findLast(({ name }) => name === wanted)?.rest ?? ''
  if (!/^[1-9]\d*:[1-9]\d*$/.test(last('USER'))) yield 'the image runs as root, or as a user and group without numbers'
  if (!last('HEALTHCHECK').includes('/livez')) yield 'HEALTHCHECK does not ask /livez'
  if (last('STOPSIGNAL') !== 'SIGTERM') yield 'STOPSIGNAL is not SIGTERM, which ends the service in order'
  if (!instructions.some(({ name, rest }) => name === 'RUN' && /npm ci .*--omit=dev/.test(rest))) {
    yield 'the image has more than the production dependencies'
  }
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  const node = /NODE_VERSION=(\S+)/.exec(text)?.[1]
  const tested = manifest.devDependencies['node']
  if (node !== tested) yield `the image has Node ${node}, and what is tested is ${tested}`
  const letIn = new Set(
    readFileSync(join(root, '.dockerignore'), 'utf8')
      .split('\n')
      .filter(line => line.startsWith('!'))
      .map(line => line.slice(1)),
  )
  const copied = copiedFrom(text)
  for (const path of copied) if (!letIn.has(path)) yield `.dockerignore keeps ${path} away from the build`
  for (const path of letIn) if (!copied.includes(path)) yield `.dockerignore lets in ${path}, which nobody copies`
  const variables = [...last('ENV').matchAll(/(\w+)=/g)].map(match => match[1] ?? '')
  yield* checkEnvironment('Dockerfile', variables)
}

/** hadolint, and what the house wants of its image. */
export const dockerfileCheck: Check = {
  name: 'Dockerfile',
  tools: ['python'],
  async run(root, tools) {
    await ask(join(tools.python, 'bin', 'hadolint'), ['--no-color', '--failure-threshold', 'info', 'Dockerfile'], {
      cwd: root,
    })
    demandNone([...houseRules(root)])
  },
  planted: [
    { path: 'Dockerfile', from: 'npm cache clean', to: 'sudo npm cache clean', complaint: /DL3004/ },
    { path: 'Dockerfile', from: 'FROM node', to: 'FROM node AS other\nFROM node', complaint: /DL3006/ },
    { path: 'Dockerfile', from: 'USER 1000:1000', to: 'USER 1000', complaint: /without numbers/ },
    { path: 'Dockerfile', from: '/livez', to: '/', complaint: /livez/ },
    { path: 'Dockerfile', from: 'SIGTERM', to: 'SIGKILL', complaint: /STOPSIGNAL/ },
    { path: 'Dockerfile', from: ' --omit=dev', to: '', complaint: /production dependencies/ },
    { path: 'Dockerfile', from: 'NODE_VERSION=24', to: 'NODE_VERSION=25', complaint: /what is tested/ },
    { path: 'Dockerfile', from: 'AEP_LEDGER_HOST', to: 'AEP_LEDGER_HOSTS', complaint: /no AEP_LEDGER_HOSTS/ },
    { path: '.dockerignore', from: '!src', to: '!source', complaint: /keeps src away/ },
  ],
}
