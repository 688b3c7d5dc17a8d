/**
 * Tables of the ledger's database, as infra/clickhouse/migrations makes them. Statements name them without a database:
 * that is the connection's.
 */
export const rowsTable = 'entry_rows'
/** A row for each time that the rows of a ledger were removed: what was sent before is not to be known by its token then. */
export const removalsTable = 'removals'
