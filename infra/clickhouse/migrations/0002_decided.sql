-- Rows have a term more, `decided=["DECISION","TOOL"]` (src/query/terms.ts). Those of before have none and would not be found by it:
-- they are taken out, and the service inserts them again from the log.
TRUNCATE TABLE IF EXISTS aep_ledger.entries;
