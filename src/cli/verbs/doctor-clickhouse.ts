import type { Config } from '../../service/config.ts'
import { bad, type Check, note, ok } from './doctor-check.ts'

/** What search needs, as the configuration has it: the server that it names, or an engine for the service to run itself. */
export async function clickhouseCheck(config: Config): Promise<Check> {
  const { SEARCH: search, CLICKHOUSE_URL: url, CLICKHOUSE_DATABASE: database } = config
  if (search === 'off') return ok('ClickHouse', 'search is switched off (AEP_LEDGER_SEARCH=off)')
  if (url === undefined && !config.ROLES.includes('follower')) {
    return note('ClickHouse', 'this process fills no engine of its own: its searches need AEP_LEDGER_CLICKHOUSE_URL')
  }
  try {
    // Imported here, for the packages that it brings may be what is missing.
    const { engineLibrary, examineClickHouse } = await import('../../query/examine.ts')
    if (url === undefined) return ok('ClickHouse', `the service runs its own engine: ${engineLibrary()}`)
    const { serverOf } = await import('../../service/search.ts')
    const { version, tables } = await examineClickHouse(serverOf(config))
    const at = `${version} at ${new URL(url).origin}, database ${database}`
    if (tables === 'ready') return ok('ClickHouse', at)
    return note(
      'ClickHouse',
      `${at}: ${tables === 'none' ? 'no tables yet' : 'an older version’s tables, or not all of them'}; a start makes them`,
    )
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return bad('ClickHouse', url === undefined ? `${why}; or name a server with AEP_LEDGER_CLICKHOUSE_URL` : why)
  }
}
