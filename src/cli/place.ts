/** Options -> the configuration, the lake and the partition that a command works on, wherever their files are. */

import { checkPartition, type Flags, loadConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { Lake } from '../lake/lake.js';
import type { CommandResult, LakeJob, StageContext, StageTools } from '../stage.js';
import { isRemote } from '../store/location.js';
import type { InputUse } from '../store/open.js';
import type { Options, StageName } from './arguments.js';

/** What a command brings of a lake in an object store before it begins, and what it holds while it works. */
export interface LakeUse {
  /** All of the lake; if left out what every command needs. */
  all?: boolean;
  /** What it does from its beginning to its end; stages of a run say it themselves. */
  job?: LakeJob;
  /** `k/n` */
  shard?: string;
  /** Which files beside the lake it reads; all if left out. */
  reads?: InputUse;
}

/**
 * Does the work of a command on its lake. Where the lake or inputs are in an object store, the files that they are on this
 * machine take their place, and what is said names the objects.
 * @throws inputError for a wrong configuration; what the work throws
 */
export async function withPlace<Result extends CommandResult>(
  options: Options,
  tools: StageTools,
  use: LakeUse,
  work: (context: StageContext) => Promise<Result>,
): Promise<Result> {
  const { config, ...place } = placeOf(options);
  return await withLocalPaths(config, tools, use, async (local, more) =>
    work({
      ...more.tools,
      config: local,
      lake: new Lake(local.lake),
      partition: place.partition,
      arguments: [...place.arguments.filter((one) => !isReplaced(one, more)), ...more.arguments],
      ...(more.store === undefined ? {} : { store: more.store }),
    }),
  );
}

/** Whether an option names a lake whose working copy is named in its place. */
function isReplaced(option: string, { store }: Local): boolean {
  return store !== undefined && option.startsWith('--lake=');
}

export const noInput: InputUse = { catalogue: false, texts: false };
const everyInput: InputUse = { catalogue: true, texts: true };
/** What each stage reads beside the lake. */
const readBy: Readonly<Record<StageName, InputUse>> = {
  segment: { catalogue: true, texts: false },
  prompts: { catalogue: true, texts: false },
  pools: { catalogue: false, texts: true },
  decode: { catalogue: false, texts: false },
  publish: { catalogue: true, texts: false },
  run: everyInput,
};

export function readsOf(stage: StageName): InputUse {
  return readBy[stage];
}

/** What `withLocalPaths` says beside the configuration. */
type Local = Pick<StageContext, 'store'> & { tools: StageTools; arguments: string[] };

/** Does work with a configuration whose paths are on this machine. */
export async function withLocalPaths<Result extends CommandResult>(
  config: Config,
  tools: StageTools,
  { all = false, job, shard, reads = everyInput }: LakeUse,
  work: (config: Config, local: Local) => Promise<Result>,
): Promise<Result> {
  const { lake, inputs, pools } = config;
  const paths = [lake, ...inputs.items.path, ...(inputs.users?.path ?? []), ...inputs.ratings.path];
  if (![...paths, pools.texts ?? ''].some(isRemote)) return await work(config, { tools, arguments: [] });
  const { localise } = await import('../store/open.js');
  const { names, ...local } = await localise(config, tools, reads, () => all, shard);
  try {
    const run = () => work(local.config, local);
    return names.inResult(
      local.store === undefined || job === undefined
        ? await run()
        : await local.store.during(job, run, shard),
    );
  } catch (error) {
    throw names.inError(error);
  }
}

function placeOf({ config: file = '', set, ...flags }: Options) {
  if (flags.partition !== undefined) checkPartition(flags.partition);
  const config = loadConfig(file, set, flags);
  return { config, partition: config.partition, arguments: argumentsOf(file, set, flags) };
}

/** The options that decide the configuration, for another process. */
function argumentsOf(config: string, set: readonly string[] | undefined, flags: Flags): string[] {
  const names = ['lake', 'partition', 'weights', 'mode', 'concurrency'] as const;
  const given = names.flatMap((name) => (flags[name] === undefined ? [] : [`--${name}=${flags[name]}`]));
  return ['--config', config, ...(set ?? []).map((assignment) => `--set=${assignment}`), ...given];
}
