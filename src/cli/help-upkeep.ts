/** What `dare rollback --help`, `dare prune --help` and `dare forget --help` print. */
import type { LakeCommand } from './arguments.js';
import { LAKE, LOGGING } from './help-options.js';

export const UPKEEP_SUMMARIES: Readonly<
  Record<Extract<LakeCommand, 'rollback' | 'prune' | 'forget'>, string>
> = {
  rollback: 'publish the features again that a partition had before',
  prune: 'remove old partitions, and what killed runs left',
  forget: 'remove users and items from all tables and pools',
};

export const UPKEEP_DETAILS: Readonly<Record<Extract<LakeCommand, 'rollback' | 'prune' | 'forget'>, string>> =
  {
    rollback: `Usage
  dare rollback --config FILE [options]

Exchanges the features of the partition with those that the last publish replaced (publish.keep). Run again it
exchanges them once more. Texts and other tables stay as they are. dare status calls the features fresh, and says that
they were rolled back, until something that they are made from changes; dare publish makes them anew.

Options
  --partition P            partition to roll back, instead of the configuration's partition
${LAKE}
${LOGGING}

Examples
  dare rollback --config dare.yaml --partition 2026-10-01`,
    prune: `Usage
  dare prune --config FILE [--keep N | --older-than P] [--dry-run] [options]

Removes partitions from all tables, by the order of their names: all but the last N, or those before P. The last
partition of the lake stays, and those that a run is at work on. Removes in any case what killed runs left: temporary
files, scratch folders that nobody has touched for a day, and finished texts kept for partitions that were published
since. The model cache stays. Without --keep and --older-than it does nothing else. What stays is as fresh as it was.

Options
  --keep N                 the number of partitions that stay, from 1
  --older-than P           remove partitions whose names come before P
  --dry-run                tell what would be removed, and remove nothing
${LAKE}
${LOGGING}

Output of prune
  The JSON line holds "removed", a list of {"partition", "tables", "bytes"}, "garbage", a list of {"path", "bytes"},
  "bytes" in all and "locked", the partitions that were left because a run is at work on them.

Examples
  dare prune --config dare.yaml --keep 14
  dare prune --config dare.yaml --older-than 2026-10-01 --dry-run`,
    forget: `Usage
  dare forget --config FILE --user ID [--user ID ...] [--users FILE] [--item ID ...] [options]

Removes the rows of users and items from cohorts, prompts, texts and features of all partitions, from features kept for
dare rollback, from finished texts of runs that were stopped, from shards, and from the texts that an evaluation quotes.
Then builds the pools anew that were made of these texts. All other rows stay as they are, and tables that were fresh
stay fresh. Refused while a run is at work on one of the partitions. The inputs are yours to clean: from them the next
partition would have the users again. Texts of others that mention an item stay. Reports in the lake are removed.

Options
  --user ID                user to forget; repeatable
  --users FILE             file with one user a line
  --item ID                item to forget; repeatable
${LAKE}
${LOGGING}

Output of forget
  The JSON line holds "removed", a list of {"partition", "table", "rows"}, "rows" in all, and "pools", the partitions
  whose pools were built anew.

Examples
  dare forget --config dare.yaml --user 4711
  dare forget --config dare.yaml --users erasures.txt`,
  };
