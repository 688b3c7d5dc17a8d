/** A user of ClickHouse. */
export interface Login {
  readonly username: string
  readonly password: string
}

/**
 * Where ClickHouse is: a production server, or the service's own engine, whose members change with every start of it. So
 * they are read anew for each connection: hand the object on as it is, never a copy.
 */
export interface ClickHouseServer {
  /** `http(s)://host:port/path` without a login in it. */
  readonly url: string
  readonly writer: Login
  /** Who searches; the writer, when absent. */
  readonly reader?: Login
  /** Database of all that the ledger keeps there; `databaseDefault`, when absent. Each installation has its own. */
  readonly database?: string
  /** Name of the cluster that the tables are made on, replicated; tables of one server, when absent. */
  readonly cluster?: string
}

/** The service's own engine, as a server: nobody else's tables are in it. */
export type EngineServer = Required<Pick<ClickHouseServer, 'url' | 'writer' | 'reader'>>

export const databaseDefault = 'aep_ledger'
/** Ends the name of the database in which rows are made again, and no other. */
export const remadeSuffix = '_remade'
/** A name that needs no quotes in a statement, and is not one that rows are made again in. */
export const databasePattern = /^(?!.*_remade$)[A-Za-z_][A-Za-z0-9_]{0,62}$/
