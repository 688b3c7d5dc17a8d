import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Check, demandNone } from './check.ts'
import { yamlDocuments } from './tools.ts'

const chart = 'infra/kubernetes/aep-ledger'

/** The chart's README has a row for each value and no other, and says the default that there is. */
export const valuesCheck: Check = {
  name: 'values of the chart',
  tools: ['python'],
  async run(root, tools) {
    const [values] = await yamlDocuments(tools, readFileSync(join(root, chart, 'values.yaml'), 'utf8'))
    const page = readFileSync(join(root, chart, 'README.md'), 'utf8').split('## Values')[1] ?? ''
    const rows = new Map(
      [...page.matchAll(/^\| `([^`]+)` \| (.*?) \|/gm)].map(match => [match[1] ?? '', match[2] ?? '']),
    )
    const leaves = new Map(leavesOf(values, ''))
    const told = [...rows].filter(([path]) => !path.includes('ROLE'))
    const complaints = told
      .filter(([path, fallback]) => leaves.get(path) !== fallback)
      .map(([path, fallback]) => `README.md: ${path} is ${leaves.get(path) ?? 'no value'}, and not ${fallback}`)
    for (const path of leaves.keys()) {
      if (!rows.has(path) && !rows.has(path.replace(/^roles\.\w+/, 'roles.ROLE'))) {
        complaints.push(`README.md says nothing of ${path}`)
      }
    }
    demandNone(complaints)
  },
  planted: [
    {
      path: `${chart}/values.yaml`,
      from: 'runbookBase:',
      to: 'runbook:',
      complaint: /nothing of prometheusRule.runbook/,
    },
    { path: `${chart}/values.yaml`, from: 'partitions: 12', to: 'partitions: 6', complaint: /partitions is `6`/ },
    {
      path: `${chart}/README.md`,
      from: '`service.port`',
      to: '`service.ports`',
      complaint: /service.ports is no value/,
    },
  ],
}

/** Each value that holds no other, by its path, as the table writes it. */
function* leavesOf(value: unknown, path: string): Generator<[string, string]> {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isMap || Object.keys(value).length === 0) {
    yield [path, value === '' ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``]
    return
  }
  for (const [name, part] of Object.entries(value)) yield* leavesOf(part, path === '' ? name : `${path}.${name}`)
}
