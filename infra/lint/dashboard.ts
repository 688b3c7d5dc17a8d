import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { type Check, demandNone, withFile } from './check.ts'
import { yamlDocuments } from './tools.ts'

/** What a dashboard has to have, as far as it is looked at. Grafana itself is lenient: it shows a hole. */
export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly templating: { readonly list: readonly Variable[] }
  readonly panels: readonly Panel[]
}

interface Variable {
  readonly name: string
  readonly type: string
}

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly Target[]
}

interface Target {
  readonly refId: string
  readonly expr: string
  readonly datasource: { readonly type: string; readonly uid: string }
}

export const dashboardFile = 'infra/grafana/dashboards/aep-ledger.json'
const provider = 'infra/grafana/provisioning/dashboards/aep-ledger.yaml'
const columns = 24

function* shape({ uid, title, schemaVersion, templating, panels }: Dashboard): Generator<string> {
  if (!uid || !title || !(schemaVersion > 30)) yield 'the dashboard has no uid, title or schemaVersion'
  const variables = new Set(templating.list.map(({ name }) => name))
  const ids = new Set<number>()
  const taken = new Map<string, string>()
  for (const { id, type, title: name, gridPos, targets } of panels) {
    if (ids.has(id)) yield `${name}: another panel has the id ${id}`
    ids.add(id)
    const { x, y, w, h } = gridPos
    if (x < 0 || w < 1 || h < 1 || x + w > columns) yield `${name} reaches over the edge`
    for (let column = x; column < x + w; column += 1) {
      for (let line = y; line < y + h; line += 1) {
        const other = taken.get(`${column} ${line}`)
        if (other !== undefined && other !== name) yield `${name} lies over ${other}`
        taken.set(`${column} ${line}`, name)
      }
    }
    if (type !== 'row' && !targets?.length) yield `${name} asks nothing`
    const refs = (targets ?? []).map(({ refId }) => refId)
    if (new Set(refs).size < refs.length) yield `${name}: two questions have one refId`
    for (const { expr, datasource } of targets ?? []) {
      const used = `${expr} ${datasource.uid}`.matchAll(/\$\{?(\w+)/g)
      for (const [, variable = ''] of used) {
        if (!variable.startsWith('__') && !variables.has(variable)) yield `${name}: there is no variable ${variable}`
      }
    }
  }
}

/** Every question of the dashboard, as a rule of its own: promtool reads them all. */
export function asRules({ panels }: Dashboard): string {
  const rules = panels.flatMap(({ id, targets }) =>
    (targets ?? []).map(({ refId, expr }) => ({ record: `panel_${id}_${refId}`, expr: withoutVariables(expr) })),
  )
  return JSON.stringify({ groups: [{ name: 'dashboard', rules }] })
}

/** Grafana's own variables, as Prometheus could read them. */
export const withoutVariables = (expr: string): string => expr.replace(/\$__(rate_interval|range)/g, '5m')

/** The shape of the dashboard, its questions as PromQL, and that Grafana is told where it lies. */
export const dashboardCheck: Check = {
  name: 'Grafana',
  tools: ['promtool', 'python'],
  async run(root, tools) {
    const text = readFileSync(join(root, dashboardFile), 'utf8')
    const dashboard = JSON.parse(text) as Dashboard
    const [told] = await yamlDocuments(tools, readFileSync(join(root, provider), 'utf8'))
    const { providers } = told as { readonly providers: readonly { readonly options: { readonly path: string } }[] }
    const mount = `./grafana/dashboards:${providers[0]?.options.path}:ro`
    const isMounted = readFileSync(join(root, 'infra/compose.yaml'), 'utf8').includes(mount)
    demandNone([...shape(dashboard), ...(isMounted ? [] : [`compose.yaml does not mount ${mount}`])])
    await withFile('rules.yml', asRules(dashboard), rules =>
      ask(join(tools.promtool, 'promtool'), ['check', 'rules', rules]),
    )
  },
  planted: [
    { path: dashboardFile, from: '"id": 3,', to: '"id": 2,', complaint: /another panel has the id 2/ },
    { path: dashboardFile, from: '"x": 8', to: '"x": 7', complaint: /lies over/ },
    { path: dashboardFile, from: '"x": 20', to: '"x": 21', complaint: /over the edge/ },
    {
      path: dashboardFile,
      from: 'instance=~\\"$instance\\"',
      to: 'instance=~\\"$node\\"',
      complaint: /no variable node/,
    },
    { path: dashboardFile, from: 'sum by (status) (', to: 'sum by (status) ((', complaint: /panel_\d+_A|parse/ },
    { path: provider, from: '/var/lib/grafana-dashboards', to: '/var/lib/dashboards', complaint: /does not mount/ },
  ],
}
