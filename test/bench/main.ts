import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { benchCluster } from './cluster.bench.ts'
import { benchIngest } from './ingest.bench.ts'
import { benchOffline } from './offline.bench.ts'
import { benchSearch } from './search.bench.ts'
import type { Row, Scale, Section } from './section.ts'

/**
 * `npm run bench`: every benchmark in one run, and the page that says so (`docs/performance.md`). With names, only those, and
 * their sections of the page; with `--short`, small ones and no page.
 */

type Bench = (print: (line: string) => void, scale: Scale) => Promise<Section>

const benches: Readonly<Record<string, Bench>> = {
  ingest: benchIngest,
  cluster: benchCluster,
  offline: benchOffline,
  search: benchSearch,
}

const rowOf = ({ what, figure, target, met, bound }: Row): string =>
  `| ${what} | ${figure} | ${target ?? ''} | ${met === undefined ? (bound ?? '') : met ? 'met' : `**missed**${bound ? `: ${bound}` : ''}`} |`

const sectionText = ({ title, how, rows }: Section): string =>
  `## ${title}\n\n${how}\n\n| what | figure | target | |\n| --- | --- | --- | --- |\n${rows.map(rowOf).join('\n')}\n`

const file = new URL('../../docs/performance.md', import.meta.url)

/** The page with these sections in the place of those of the same title, and the others as they were. */
function page(sections: readonly Section[]): string {
  const [cpu] = cpus()
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, Linux ${release()}, Node ${process.version}`
  const [, ...before] = readFileSync(file, 'utf8').split(/^(?=## )/m)
  const parts = new Map(before.map(text => [text.slice(3, text.indexOf('\n')), `${text.trimEnd()}\n`]))
  for (const section of sections) parts.set(section.title, sectionText(section))
  return `# Performance\n\nWritten by \`npm run bench\`. Each figure stands beside a peer that was measured in the same run, because\nabsolute figures belong to a machine: ${machine}.\n\n${[...parts.values()].join('\n')}`
}

const names = process.argv.slice(2).filter(name => !name.startsWith('--'))
const scale: Scale = process.argv.includes('--short') ? 'short' : 'full'
const chosen = Object.entries(benches).filter(([name]) => names.length === 0 || names.includes(name))
if (chosen.length === 0) throw new Error(`there is no such benchmark; there are ${Object.keys(benches).join(', ')}`)
const sections: Section[] = []
for (const [name, bench] of chosen) {
  process.stdout.write(`${name}\n`)
  const section = await bench(line => process.stdout.write(`  ${line}\n`), scale)
  for (const row of section.rows)
    process.stdout.write(`  ${row.what}: ${row.figure}${row.target ? ` (${row.target})` : ''}\n`)
  sections.push(section)
}
if (scale === 'full') writeFileSync(file, page(sections))
