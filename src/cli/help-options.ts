/** Options that the help of several commands lists. */

const CONFIG = `  --config FILE            the configuration, YAML. data-samples/dare.yaml explains every key
  --lake DIR               folder of the tables (or s3://bucket/prefix), instead of the configuration's lake`;
const SET = '  --set path.to.key=value  change a key of the configuration; repeatable';

/** Of commands on all partitions of a lake. */
export const LAKE = `${CONFIG}
${SET}`;

/** Of commands on one partition. @param doing what is done with it */
export function place(doing: string): string {
  return `${CONFIG}
  --partition P            partition to ${doing}, instead of the configuration's partition
${SET}`;
}

export const LOGGING = `  --json                   stderr carries JSON log lines only, no sentences and no progress bar
  --quiet                  stderr carries warnings and errors only
  --debug                  log more, and show where an error arose
  --log-level L            trace, debug, info (default), warn, error, fatal or silent
  -h, --help               this text`;

/** Of stages, and of commands that decode as one. */
export const WATCHING = `Watching a run
  --metrics-file FILE      write counters for Prometheus (node_exporter's textfile collector reads *.prom) every five
                           seconds and at the end, also when the stage fails: dare_rows_total, dare_output_tokens_total,
                           dare_rows_per_second, dare_remaining_seconds, dare_last_success_timestamp_seconds, ...
  --lineage-file FILE      append OpenLineage run events, one a line: START, then COMPLETE, FAIL or ABORT, of each stage,
                           with what it read and wrote
  --json                   logs each stage with the fields event (start, end, fail, abort), stage, partition, shard,
                           rows, seconds`;
