/**
 * Settings under which every search runs. They stand in the profile of the engine's reader, and are sent along as well:
 * that makes a search behave alike on a production server, and a read-only user may repeat what holds for it anyway.
 */
export const readerSettings = {
  readonly: '1',
  max_execution_time: 10,
  cancel_http_readonly_queries_on_client_close: 1,
  // Of rows that no term narrows down, columns are read of those that the limit leaves.
  query_plan_max_limit_for_lazy_materialization: 2_000,
  output_format_json_quote_64bit_integers: 1,
} as const
