/** What `dare rollback --help`, `dare prune --help` and `dare forget --help` print. */
import type { UpkeepName } from './arguments.js';

export const UPKEEP_SUMMARIES: Readonly<Record<UpkeepName, string>> = {
  rollback: 'publish the features again that a partition had before',
};

const OPTIONS = `  --config FILE            the configuration, YAML. data-samples/dare.yaml explains every key
  --lake DIR               folder of the tables, instead of the configuration's lake
  --set path.to.key=value  change a key of the configuration; repeatable
  --json                   stderr carries JSON log lines only, no sentences and no progress bar
  --quiet                  stderr carries warnings and errors only
  --debug                  log more, and show where an error arose
  -h, --help               this text`;

export const UPKEEP_DETAILS: Readonly<Record<UpkeepName, string>> = {
  rollback: `Usage
  dare rollback --config FILE [options]

Exchanges the features of the partition with those that the last publish replaced (publish.keep). Run again it
exchanges them once more. Texts and other tables stay as they are. dare status calls the features fresh, and says that
they were rolled back, until something that they are made from changes; dare publish makes them anew.

Options
  --partition P            partition to roll back, instead of the configuration's partition
${OPTIONS}

Examples
  dare rollback --config dare.yaml --partition 2026-10-01`,
};
