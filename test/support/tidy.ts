/**
 * The rules of the house that a machine can hold: which room may import which, what pure rooms may not name, how long a
 * file may be, and what a committed file may not say. Each rule takes text and gives complaints, so that its own test
 * can show it a culprit.
 */

type Room = keyof typeof rooms

const pure = ['base', 'aep', 'ledger', 'projections', 'verify', 'contract'] as const

/** DESIGN's table: rooms and packages each room may import. */
const rooms = {
  base: { rooms: [], packages: [] },
  crypto: { rooms: ['base'], packages: ['node:crypto', '@noble/ed25519', '@noble/hashes'] },
  aep: { rooms: ['base', 'crypto'], packages: ['zod', 'canonicalize'] },
  ledger: { rooms: ['base', 'crypto', 'aep'], packages: [] },
  projections: { rooms: ['base', 'aep', 'ledger'], packages: [] },
  verify: { rooms: ['base', 'crypto', 'aep', 'ledger', 'projections'], packages: [] },
  // Beyond DESIGN's table: cursors are checked with the Suite that they are handed.
  contract: { rooms: ['base', 'crypto', 'aep', 'ledger', 'projections'], packages: ['zod'] },
  log: { rooms: ['base', 'aep', 'ledger', 'projections'], packages: ['kafkajs', 'lmdb', 'node:'] },
  query: {
    rooms: ['base', 'aep', 'ledger', 'projections', 'contract'],
    packages: ['@clickhouse/client', 'chdb', 'ffi-rs', 'node:'],
  },
  http: {
    rooms: ['base', 'crypto', 'aep', 'ledger', 'projections', 'verify', 'contract', 'ports'],
    packages: ['fastify', '@fastify/', 'pino', 'prom-client', 'zod', 'node:'],
  },
  cli: {
    rooms: ['base', 'crypto', 'aep', 'ledger', 'projections', 'verify', 'contract', 'ports', 'log', 'query', 'service'],
    packages: ['commander', 'cli-progress', '@bomb.sh/tab', 'node:'],
  },
  service: {
    rooms: ['base', 'crypto', 'aep', 'ledger', 'projections', 'verify', 'contract', 'log', 'query', 'http', 'ports'],
    packages: ['pino', 'prom-client', 'zod', 'node:'],
  },
} as const satisfies Record<string, { rooms: readonly string[]; packages: readonly string[] }>

/** What any room that may import `ports` sees of an adapter's room: its interface, never what stands behind it. */
const portFile = /^(log\/(port|intake|control)|query\/port|projections\/(port|store)|http\/ports)\.ts$/
/** A pure room uses the suite it is given: it may know the interface only. */
const cryptoForPure = /^crypto\/(suite|point)\.ts$/

/** The Kafka client is swapped in one place: its own files know it, and the one that names it. */
const knowsKafkajs = /^log\/kafka\/(kafkajs[^/]*|connect)\.ts$/

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g

/** Every module that the source text names in an import or export. */
export function importsOf(text: string): string[] {
  return [...text.matchAll(importPattern)].map(match => match[1] ?? match[2] ?? '')
}

/** Complaints about the imports of `src/<path>`. */
export function* checkImports(path: string, text: string): Generator<string> {
  const room = path.split('/')[0] ?? ''
  if (!(room in rooms)) {
    yield `${path}: there is no room ${room}`
    return
  }
  const allowed: { rooms: readonly string[]; packages: readonly string[] } = rooms[room as Room]
  for (const specifier of importsOf(text)) {
    if (/(^|\/)kafkajs[^/]*$/.test(specifier) && !knowsKafkajs.test(path))
      yield `${path}: ${specifier} is for log/kafka/connect.ts to name`
    if (!specifier.startsWith('.')) {
      const known = allowed.packages.some(name =>
        name.endsWith(':') || name.endsWith('/')
          ? specifier.startsWith(name)
          : specifier === name || specifier.startsWith(`${name}/`),
      )
      if (!known) yield `${path}: ${room} may not import ${specifier}`
      continue
    }
    const target = new URL(specifier, `file:///src/${path}`).pathname
    if (!target.startsWith('/src/')) {
      if (target !== '/package.json') yield `${path}: imports ${specifier}, outside src`
      continue
    }
    const file = target.slice('/src/'.length)
    const other = file.split('/')[0] ?? ''
    if (other === room) continue
    const isPort = portFile.test(file)
    if (isPort && (allowed.rooms.includes('ports') || allowed.rooms.includes(other))) continue
    if (!allowed.rooms.includes(other)) yield `${path}: ${room} may not import ${file}`
    else if (other === 'crypto' && isPure(room) && !cryptoForPure.test(file)) {
      yield `${path}: a pure room takes its Suite as an argument; it may not import ${file}`
    }
  }
}

const isPure = (room: string): boolean => (pure as readonly string[]).includes(room)

const impure: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b/, 'Date.now'],
  [/\bnew Date\(\)/, 'new Date()'],
  [/\bMath\.random\b/, 'Math.random'],
  [/\bBuffer\b/, 'Buffer'],
  [/\bprocess\.\b/, 'process'],
  [/\bperformance\.now\b/, 'performance.now'],
  [/\bsetTimeout\b|\bsetInterval\b|\bsetImmediate\b/, 'timers'],
  [/\bfetch\(/, 'fetch'],
  [/\bgetRandomValues\b|\brandomUUID\b/, 'randomness'],
  [/['"]node:/, 'node:'],
]

/** Complaints about what a pure room names: clocks, randomness, Node. */
export function* checkPurity(path: string, text: string): Generator<string> {
  if (!isPure(path.split('/')[0] ?? '')) return
  const code = withoutComments(text)
  for (const [pattern, name] of impure) if (pattern.test(code)) yield `${path}: a pure room names ${name}`
}

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/[^\n]*/g, '$1')

/** Lines a source file may have before a newcomer gets lost in it. */
export const fileLinesMax = 400

/** Complaints about a file's length. */
export function* checkLength(path: string, text: string): Generator<string> {
  const lines = text.split('\n').length - 1
  if (lines > fileLinesMax) yield `${path}: ${lines} lines, over ${fileLinesMax}`
}

const unwanted: readonly (readonly [RegExp, string])[] = [
  [/\b(TODO|FIXME|XXX|HACK)\b/, 'a leftover'],
  [/\b(it|test|describe)\.(only|skip|todo)\(/, 'a test singled out or left out without a reason'],
  [/@ts-(ignore|nocheck)/, 'a silenced type error'],
]

/** Complaints about what no file of ours says. */
export function* checkWords(path: string, text: string): Generator<string> {
  const code = path.endsWith('.ts') ? text : ''
  for (const [pattern, name] of unwanted) if (pattern.test(code)) yield `${path}: ${name}`
}
