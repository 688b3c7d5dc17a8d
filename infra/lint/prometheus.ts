import { join } from 'node:path'
import { ask } from './ask.ts'
import type { Check } from './check.ts'

const alerts = 'infra/prometheus/alerts.yml'

/** promtool over the configuration and the alerts, and the alerts' own tests: when each fires and when it doesn't. */
export const prometheusCheck: Check = {
  name: 'Prometheus',
  tools: ['promtool'],
  async run(root, tools) {
    const folder = { cwd: join(root, 'infra/prometheus') }
    const promtool = join(tools.promtool, 'promtool')
    await ask(promtool, ['check', 'config', '--lint=all', '--lint-fatal', 'prometheus.yml'], folder)
    await ask(promtool, ['check', 'rules', '--lint=all', '--lint-fatal', 'alerts.yml'], folder)
    await ask(promtool, ['test', 'rules', 'alerts.test.yml'], folder)
  },
  planted: [
    { path: 'infra/prometheus/prometheus.yml', from: 'refresh_interval', to: 'refreshed', complaint: /refreshed/ },
    { path: alerts, from: 'sum by (partition) (', to: 'sum by partition (', complaint: /parse/ },
    { path: alerts, from: 'for: 1m', to: 'for: a minute', complaint: /duration/ },
    { path: alerts, from: '{{ $labels.partition }}', to: '{{ $label.partition }}', complaint: /undefined variable/ },
    {
      path: alerts,
      from: '(aep_ledger_partition_owned) > 1',
      to: '(aep_ledger_partition_owned) > 0',
      complaint: /FAILED/,
    },
    { path: alerts, from: ' or absent(aep_ledger_partition_owned)', to: '', complaint: /no sequencer at all/ },
    { path: alerts, from: '[10m])) > 5', to: '[10m])) > 0', complaint: /no storm/ },
  ],
}
