/** What is done with a lake beside its stages. Each is loaded when it is needed. */
import { checkPartition } from '../config/load.js';
import { observed } from '../report/observe.js';
import type { CommandResult, StageContext, StageResult, StageTools } from '../stage.js';
import type { LakeCommand, Options } from './arguments.js';
import { type LakeUse, noInput, withPlace } from './place.js';

type Run = (options: Options, context: StageContext) => Promise<CommandResult>;

const commands: Readonly<Record<LakeCommand, Run>> = {
  // of the partition that was asked for, or of all
  status: async ({ partition }, { config, lake }) => {
    const { status } = await import('../../pipeline/status.js');
    return await status({ config, lake, partition });
  },
  report: async ({ out }, context) => {
    const { report } = await import('../../pipeline/report.js');
    return await report(context, out);
  },
  rollback: async (_, context) => {
    const { rollback } = await import('../../pipeline/rollback.js');
    return await rollback(context);
  },
  prune: async ({ keep, 'older-than': olderThan, 'dry-run': dryRun = false }, context) => {
    if (olderThan !== undefined) checkPartition(olderThan);
    const { prune } = await import('../../pipeline/prune.js');
    return await prune(context, {
      dryRun,
      ...(keep === undefined ? {} : { keep: Number(keep) }),
      ...(olderThan === undefined ? {} : { olderThan }),
    });
  },
  forget: async ({ user = [], users, item = [] }, context) => {
    const { forget, idsIn } = await import('../../pipeline/forget.js');
    return await forget(context, {
      users: [...user, ...(users === undefined ? [] : idsIn(users))],
      items: item,
    });
  },
  evaluate: async (options, context) => {
    const { evaluateConfig } = await import('./review-options.js');
    const place = { ...context, config: evaluateConfig(options, context.config) };
    if (options['skip-exit-code'] !== undefined) {
      const { freshness, skippedResult } = await import('../../pipeline/freshness.js');
      if ((await freshness('evaluation', place)).state === 'fresh') return skippedResult('evaluate', place);
    }
    const { evaluate } = await import('../../pipeline/evaluate.js');
    return await watched('evaluate', place, () => evaluate(place));
  },
  tune: async (options, context) => {
    const { tuneOptions } = await import('./review-options.js');
    const { tune } = await import('../../pipeline/tune.js');
    const tried = tuneOptions(options, context.config);
    return await watched('tune', context, () => tune(context, tried));
  },
};

/** In view of whoever looks on; both decode for as long as a stage does, and read the same. */
async function watched(
  stage: 'evaluate' | 'tune',
  context: StageContext,
  work: () => Promise<StageResult>,
): Promise<StageResult> {
  const { filesRead } = await import('../../pipeline/origins.js');
  const inputs = () => filesRead('evaluation', context);
  return await observed(context.watch, { stage, partition: context.partition, inputs }, work);
}

export async function runOnLake(
  name: LakeCommand,
  options: Options,
  tools: StageTools,
): Promise<CommandResult> {
  return await withPlace(options, tools, useOf(name, options), (context) => commands[name](options, context));
}

/** What a command does with a lake in an object store. */
function useOf(name: LakeCommand, { partition, 'dry-run': dryRun = false }: Options): LakeUse {
  switch (name) {
    case 'status':
      // each table is compared with what its manifest says of it
      return { all: partition === undefined };
    case 'prune':
      return { reads: noInput, ...(dryRun ? { all: true } : { job: name }) };
    case 'rollback':
      return { reads: noInput, job: name };
    case 'forget':
      // pools are built anew, of other texts than the lake's too
      return { reads: { catalogue: false, texts: true }, job: name };
    default:
      return { job: name };
  }
}
