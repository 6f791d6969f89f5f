import { join } from 'node:path';
import { packageRoot } from '../../src/paths.js';

export interface Kill {
  /** `k/n` */
  shard: string;
  /** What dies: the command line, or the process that started it. */
  who: 'self' | 'parent';
  lake: string;
  partition: string;
  /** A file that is written when it happens. It happens only once. */
  marker: string;
  /** SIGKILL if left out. */
  signal?: NodeJS.Signals;
}

/** A command that is the real command line, but dies in the middle of decoding a shard. */
export function killing({ shard, who, lake, partition, marker, signal = 'SIGKILL' }: Kill): string {
  const kept = join(
    lake,
    '_unfinished/texts',
    `partition=${partition}`,
    `part-${shard.replace('/', '-of-')}`,
  );
  const variables = [
    `KILL_SHARD=${shard}`,
    `KILL_WHO=${who}`,
    `KILL_KEPT=${kept}`,
    `KILL_MARKER=${marker}`,
    `KILL_SIGNAL=${signal}`,
  ];
  const preload = join(packageRoot, 'dist/tests/etl/kill-in-mid-shard.js');
  const main = join(packageRoot, 'dist/src/cli.js');
  return ['env', ...variables, process.execPath, '--import', preload, main].join(' ');
}
