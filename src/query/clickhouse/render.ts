/** Where tables are made. */
export interface Place {
  readonly database: string
  /** Cluster whose servers all get the tables, replicated; one server's own tables, when absent. */
  readonly cluster?: string
}

/** How a statement of a migration may begin: up to the name of its table, after which the cluster is named. */
const beginnings =
  /^(CREATE TABLE IF NOT EXISTS|DROP TABLE IF EXISTS|TRUNCATE TABLE IF EXISTS|ALTER TABLE) aep_ledger\.\w+/

/**
 * The statements of a migration for one place. Migrations are written once, for the tables of one server in the database
 * `aep_ledger`; on a cluster each statement goes to all of its servers, engines are the replicated ones, with the server's own
 * path and replica name, and the window of tokens is kept in Keeper. Throws for a statement that it could not say of a cluster.
 */
export function render(sql: string, place: Place): string[] {
  return statementsOf(sql).map(statement => renderOne(statement, place))
}

function renderOne(statement: string, { database, cluster }: Place): string {
  const beginning = beginnings.exec(statement)?.[0]
  if (beginning === undefined) throw new Error(`no migration may begin so: ${statement.slice(0, 60)}`)
  const everywhere =
    cluster === undefined
      ? statement
      : statement
          .replace(beginning, `${beginning} ON CLUSTER '${cluster}'`)
          .replaceAll(/\bENGINE = (\w*MergeTree)\b/g, 'ENGINE = Replicated$1')
          .replaceAll(/\bnon_replicated_deduplication_window\b/g, 'replicated_deduplication_window')
  return everywhere.replaceAll(/\baep_ledger\./g, `${database}.`)
}

/** The database itself. */
export const databaseSql = ({ database, cluster }: Place): string =>
  `CREATE DATABASE IF NOT EXISTS ${database}${cluster === undefined ? '' : ` ON CLUSTER '${cluster}'`}`

/** Statements of a script, without comments that stand on their own lines; they end with `;` at the end of a line. */
const statementsOf = (sql: string): string[] =>
  sql
    .replaceAll(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map(statement => statement.trim())
    .filter(statement => statement !== '')
