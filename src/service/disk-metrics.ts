import { type StatsFs, statfsSync } from 'node:fs'
import { Gauge, type Registry } from 'prom-client'

/** Room on the disk under the data folder, asked at each scrape; no number where the folder can't be asked about. */
export function diskMetrics(registry: Registry, dataDir: string): void {
  const add = (name: string, help: string, read: (disk: StatsFs) => number): void => {
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        try {
          this.set(read(statfsSync(dataDir)))
        } catch {
          this.remove()
        }
      },
    })
  }
  const free = 'Bytes that the service may still write to the disk under its data folder.'
  add('aep_ledger_data_free_bytes', free, ({ bavail, bsize }) => bavail * bsize)
  add('aep_ledger_data_size_bytes', 'Size of the disk under the data folder.', ({ blocks, bsize }) => blocks * bsize)
}
