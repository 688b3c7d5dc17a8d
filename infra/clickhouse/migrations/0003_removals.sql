-- A row for each time that the rows of a ledger were removed. It goes into the tokens of what is inserted after: the server
-- remembers those of before, and would drop the same rows when they come again.
CREATE TABLE IF NOT EXISTS aep_ledger.removals
(
  ledger LowCardinality(String),
  at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
  id UUID DEFAULT generateUUIDv4()
)
ENGINE = MergeTree
ORDER BY ledger;
-- More blocks than several followers together send while one of them hangs.
ALTER TABLE aep_ledger.entries MODIFY SETTING non_replicated_deduplication_window = 10000;
