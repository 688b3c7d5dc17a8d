CREATE DATABASE IF NOT EXISTS acme;

CREATE TABLE IF NOT EXISTS acme.entries
(
  ledger LowCardinality(String),
  seq UInt64 CODEC(Delta, ZSTD(1)),
  leaf_hash FixedString(32) CODEC(NONE),
  recorded_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  time_from Enum8('event' = 1, 'recorded' = 2),
  type LowCardinality(String),
  source String CODEC(ZSTD(1)),
  event_id String CODEC(ZSTD(1)),
  key_id LowCardinality(String),
  intake_by LowCardinality(String),
  emitter_sig LowCardinality(String),
  record_sig LowCardinality(String),
  principal String CODEC(ZSTD(1)),
  session String CODEC(ZSTD(1)),
  run String CODEC(ZSTD(1)),
  fact_kind Array(LowCardinality(String)),
  fact_principal Array(String) CODEC(ZSTD(1)),
  fact_session Array(String) CODEC(ZSTD(1)),
  fact_run Array(String) CODEC(ZSTD(1)),
  fact_server Array(String) CODEC(ZSTD(1)),
  fact_tools Array(Array(String)) CODEC(ZSTD(1)),
  fact_decision Array(LowCardinality(String)),
  fact_deny_reason Array(LowCardinality(String)),
  fact_side_effect Array(LowCardinality(String)),
  fact_lease Array(String) CODEC(ZSTD(1)),
  fact_policies Array(Array(String)) CODEC(ZSTD(1)),
  fact_decision_id Array(String) CODEC(ZSTD(1)),
  fact_outcome Array(LowCardinality(String)),
  fact_drift Array(LowCardinality(String)),
  reasons String CODEC(ZSTD(1)),


  terms Array(String) CODEC(ZSTD(1)),
  signature FixedString(64) CODEC(NONE),
  entry String CODEC(ZSTD(1)),
  INDEX ix_seq seq TYPE minmax GRANULARITY 1,
  INDEX ix_terms terms TYPE text(tokenizer = 'array')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (ledger, time, seq)
SETTINGS index_granularity = 1024, non_replicated_deduplication_window = 1000;

TRUNCATE TABLE IF EXISTS acme.entries;

CREATE TABLE IF NOT EXISTS acme.removals
(
  ledger LowCardinality(String),
  at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'),
  id UUID DEFAULT generateUUIDv4()
)
ENGINE = MergeTree
ORDER BY ledger;

CREATE TABLE IF NOT EXISTS acme.entry_rows
(
  ledger LowCardinality(String),
  seq UInt64 CODEC(Delta, ZSTD(1)),
  leaf_hash FixedString(32) CODEC(NONE),
  recorded_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  time DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  time_from Enum8('event' = 1, 'recorded' = 2),
  type LowCardinality(String),
  source String CODEC(ZSTD(1)),
  event_id String CODEC(ZSTD(1)),
  key_id LowCardinality(String),
  intake_by LowCardinality(String),
  emitter_sig LowCardinality(String),
  record_sig LowCardinality(String),
  principal String CODEC(ZSTD(1)),
  session String CODEC(ZSTD(1)),
  run String CODEC(ZSTD(1)),
  fact_kind Array(LowCardinality(String)),
  fact_principal Array(String) CODEC(ZSTD(1)),
  fact_session Array(String) CODEC(ZSTD(1)),
  fact_run Array(String) CODEC(ZSTD(1)),
  fact_server Array(String) CODEC(ZSTD(1)),
  fact_tools Array(Array(String)) CODEC(ZSTD(1)),
  fact_decision Array(LowCardinality(String)),
  fact_deny_reason Array(LowCardinality(String)),
  fact_side_effect Array(LowCardinality(String)),
  fact_lease Array(String) CODEC(ZSTD(1)),
  fact_policies Array(Array(String)) CODEC(ZSTD(1)),
  fact_decision_id Array(String) CODEC(ZSTD(1)),
  fact_outcome Array(LowCardinality(String)),
  fact_drift Array(LowCardinality(String)),
  reasons String CODEC(ZSTD(1)),
  terms Array(String) CODEC(ZSTD(1)),
  signature FixedString(64) CODEC(NONE),

  entry String CODEC(ZSTD(1)) SETTINGS (min_compress_block_size = 16384, max_compress_block_size = 32768),
  INDEX ix_seq seq TYPE minmax GRANULARITY 1,
  INDEX ix_terms terms TYPE text(tokenizer = 'array')
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (ledger, time, seq)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 10000;

DROP TABLE IF EXISTS acme.entries;
