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
