/** Runs a stage. Stages are loaded when they are needed, so that help and wrong usage answer at once. */
import { checkPartition, loadConfig } from '../config/load.js';
import { runError } from '../errors.js';
import { Lake } from '../lake/lake.js';
import type { StageContext, StageResult, StageTools } from '../stage.js';
import type { Options, StageName } from './arguments.js';

type Stage = (context: StageContext) => Promise<StageResult>;

const stages: Readonly<Partial<Record<StageName, () => Promise<Stage>>>> = {
  segment: async () => (await import('../../pipeline/segment.js')).segment,
  prompts: async () => (await import('../../pipeline/prompts.js')).prompts,
  publish: async () => (await import('../../pipeline/publish.js')).publish,
};

/** A stage on the lake of a configuration file. */
export async function runStage(stage: StageName, options: Options, tools: StageTools): Promise<StageResult> {
  const { config: file, set, json: _json, quiet: _quiet, debug: _debug, ...flags } = options;
  if (flags.partition !== undefined) checkPartition(flags.partition);
  const config = loadConfig(file ?? '', set, flags);
  const lake = new Lake(config.lake);
  const load = stages[stage];
  if (load === undefined) throw runError(`dare ${stage} is not built yet`);
  const run = await load();
  return await run({ ...tools, config, lake, partition: config.partition });
}

/** `dare pools` and `dare decode` without configuration and lake: files in, files out. */
export function runStandalone(stage: StageName, _options: Options, _tools: StageTools): Promise<StageResult> {
  return Promise.reject(runError(`dare ${stage} is not built yet`));
}
