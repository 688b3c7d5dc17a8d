import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { diskMetrics } from '../../src/service/disk-metrics.ts'

describe('the metrics of the disk', () => {
  it('tell room and size of the disk under the folder, and nothing once the folder is gone', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-disk-'))
    const registry = new Registry()
    diskMetrics(registry, dir)
    const value = async (name: string): Promise<number | undefined> =>
      (await registry.getSingleMetric(name)?.get())?.values[0]?.value
    const free = await value('aep_ledger_data_free_bytes')
    const size = await value('aep_ledger_data_size_bytes')
    assert.ok(free !== undefined && size !== undefined && free > 0 && size > free, `${free} of ${size}`)
    rmSync(dir, { recursive: true })
    assert.equal(await value('aep_ledger_data_free_bytes'), undefined)
    assert.match(await registry.metrics(), /aep_ledger_data_size_bytes/)
  })
})
