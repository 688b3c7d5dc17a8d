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
    // Without the files that it names: the token lies in the container alone.
    await ask(promtool, ['check', 'config', '--syntax-only', '--lint=all', '--lint-fatal', 'prometheus.yml'], folder)
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
    { path: alerts, from: '"lost"} unless', to: '"gone"} unless', complaint: /very first dead letter/ },
    {
      path: alerts,
      from: ' or absent(aep_ledger_role{role="sequencer"})\n          or absent(aep_ledger_role{role="follower"})',
      to: '',
      complaint: /gone from discovery/,
    },
    { path: alerts, from: '[10m])) > 5', to: '[10m])) > 0', complaint: /no storm/ },
  ],
}
