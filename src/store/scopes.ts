/** What each command reads of a lake beside its partition, what it writes, and what it locks meanwhile. */
import type { Config } from '../config/schema.js';
import { reportName, type TableName } from '../lake/lake.js';
import { reusedPartitions } from '../lake/reused-partitions.js';
import type { LakeJob } from '../stage.js';
import { isList, prefixOf } from './layout.js';
import type { LakeObject, Needs } from './mirror.js';
import { type LockName, lakeLock } from './remote-lock.js';

export interface Scope {
  /** Beside `ofPartition`. */
  needs: Needs;
  /** Prefixes of what it may write or remove; none where it only reads. */
  writes: readonly string[];
  /** What is published behind all else. */
  last?: string;
  locks: readonly LockName[];
}

/**
 * What every command needs: all manifests, since they say what tables are made from, and all of its own partition. Of
 * shards those that are finished, which a table is joined of; a shard needs no other.
 * @param shard `k/n`
 */
export function ofPartition(config: Config, shard?: string): Needs {
  const { partition } = config;
  const { previous } = config.cohorts;
  return ({ place }) => {
    if (place.area === 'tables' && isList(place)) return true;
    if (place.partition !== partition)
      return place.area === 'tables' && place.table === 'cohorts' && place.partition === previous;
    const [, name, folder] =
      (place.area === '_unfinished' && /^(part-\d+-of-\d+)(\/)?/.exec(place.name)) || [];
    return name === undefined || (shard === undefined ? folder === undefined : name === shardName(shard));
  };
}

function shardName(shard: string): string {
  return `part-${shard.replace('/', '-of-')}`;
}

export const everything: Needs = () => true;
const nothing: Needs = () => false;

/** @param shard `k/n` of decode */
export function scopeOf(job: LakeJob, config: Config, shard?: string): Scope {
  const { partition } = config;
  const whole = (...tables: TableName[]) => tables.map((table) => tableLock(table, partition));
  const all = (...tables: TableName[]) =>
    tables.flatMap((table) =>
      (['tables', '_earlier', '_unfinished'] as const).map((area) => prefixOf(area, table, partition)),
    );
  // chances of drafts are learnt behind the texts' prompts
  const [texts, prompts] = [earlier('texts', partition), earlier('prompts', partition)];
  const earlierTexts: Needs =
    config.pools.texts === undefined
      ? (object, objects) => texts(object, objects) || prompts(object, objects)
      : nothing;
  switch (job) {
    case 'segment': {
      const latest = earlier('cohorts', partition, 1);
      return { needs: latest, writes: all('cohorts'), locks: whole('cohorts') };
    }
    case 'prompts':
      return { needs: nothing, writes: all('prompts'), locks: whole('prompts') };
    case 'pools': {
      // pools of the partition before are taken over where their texts are the same
      const latest = earlier('pools', partition, 1);
      const needs: Needs = (object, objects) => earlierTexts(object, objects) || latest(object, objects);
      return { needs, writes: all('pools'), locks: whole('pools') };
    }
    case 'decode': {
      const reused = config.decode.reuse === 'off' ? nothing : earlier('texts', partition, reusedPartitions);
      if (shard === undefined) {
        // its own processes go on with shards
        const needs: Needs = (object, objects) =>
          reused(object, objects) ||
          (object.place.area === '_unfinished' && object.place.partition === partition);
        // a first round makes pools
        return { needs, writes: all('texts', 'pools'), locks: whole('texts', 'pools') };
      }
      const name = shardName(shard);
      const unfinished = prefixOf('_unfinished', 'texts', partition);
      return {
        needs: reused,
        writes: [`${unfinished}${name}/`, `${unfinished}${name}.parquet`],
        locks: [
          {
            name: `texts/partition=${partition}/${name}`,
            what: `shard ${shard} of the texts of partition ${partition}`,
          },
        ],
      };
    }
    case 'publish':
      return { needs: nothing, writes: all('texts', 'features'), locks: whole('texts', 'features') };
    case 'rollback':
      return {
        needs: nothing,
        writes: all('features'),
        // the generation that is brought back goes from where it was kept when it is published
        last: prefixOf('_earlier', 'features', partition),
        locks: whole('features'),
      };
    case 'report':
      return {
        needs: nothing,
        writes: [`${prefixOf('tables', 'texts', partition)}${reportName}`],
        locks: [],
      };
    case 'evaluate':
      return { needs: earlierTexts, writes: all('evaluation'), locks: whole('evaluation') };
    case 'tune':
      return { needs: earlierTexts, writes: [], locks: [] };
    case 'plan':
      return { needs: earlier('texts', partition, reusedPartitions), writes: [], locks: [] };
    case 'prune':
    case 'forget':
      return { needs: everything, writes: [''], locks: [lakeLock] };
  }
}

function tableLock(table: TableName, partition: string): LockName {
  return { name: `${table}/partition=${partition}/whole`, what: `the ${table} of partition ${partition}` };
}

/** A table of all partitions before one, or of the latest of them. */
function earlier(table: TableName, partition: string, count = Number.POSITIVE_INFINITY): Needs {
  let latest: ReadonlySet<string> | undefined;
  let of: readonly LakeObject[] | undefined;
  return ({ place }, objects) => {
    if (place.area !== 'tables' || place.table !== table) return false;
    if (latest === undefined || of !== objects) {
      const found = objects
        .map((object) => object.place)
        .filter((one) => one.area === 'tables' && one.table === table);
      const names = [...new Set(found.map((one) => one.partition))].filter((name) => name < partition).sort();
      latest = new Set(names.slice(-Math.min(count, names.length)));
      of = objects;
    }
    return latest.has(place.partition);
  };
}
