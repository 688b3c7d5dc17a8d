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
}

/** Database of all that the ledger keeps in ClickHouse. */
export const database = 'aep_ledger'
