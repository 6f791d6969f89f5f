/** Runs a stage. Stages are loaded when they are needed, so that help and wrong usage answer at once. */
import type { TraceOptions } from '../decode/trace-file.js';
import type { Shard } from '../lake/shards.js';
import { observed } from '../report/observe.js';
import {
  type CommandResult,
  onLake,
  type StageContext,
  type StageResult,
  type StageTools,
} from '../stage.js';
import type { ModelAction, Options, StageName, ToolName } from './arguments.js';
import { noInput, readsOf, withLocalPaths, withPlace } from './place.js';
import { traceOptions } from './trace-options.js';

type Stage = (
  context: StageContext,
  options: { shard?: Shard; acceptTypes?: boolean; trace?: TraceOptions },
) => Promise<StageResult>;

const stages: Readonly<Record<Exclude<StageName, 'run'>, () => Promise<Stage>>> = {
  segment: async () => (await import('../../pipeline/segment.js')).segment,
  prompts: async () => (await import('../../pipeline/prompts.js')).prompts,
  pools: async () => (await import('../../pipeline/pools.js')).pools,
  decode: async () => (await import('../../pipeline/decode.js')).decode,
  publish: async () => (await import('../../pipeline/publish.js')).publish,
};

/** A stage on the lake of a configuration file. */
export async function runStage(stage: StageName, options: Options, tools: StageTools): Promise<StageResult> {
  const { shard } = options;
  const use = { reads: readsOf(stage), ...(shard === undefined ? {} : { shard }) };
  return await withPlace(options, tools, use, (context) => runInPlace(stage, options, context));
}

async function runInPlace(stage: StageName, options: Options, context: StageContext): Promise<StageResult> {
  const { exclude } = context.config.pools;
  if (exclude.length > 0) await (await import('../lake/patterns.js')).checkPatterns(exclude, 'pools.exclude');
  const acceptTypes = options['accept-types'] === true;
  if (stage === 'run') {
    const { run } = await import('../../pipeline/run.js');
    return await observed(context.watch, { stage, partition: context.partition }, () =>
      run(context, { force: options.force === true, acceptTypes }),
    );
  }
  const { shard } = options;
  const trace = traceOptions(options);
  const { freshness, skippedResult, tableOfStage } = await import('../../pipeline/freshness.js');
  // a shard knows itself whether it is done: the table that is joined of all says nothing of it
  if (options['skip-exit-code'] !== undefined && shard === undefined) {
    if ((await freshness(tableOfStage[stage], context)).state === 'fresh') {
      await context.store?.finish(stage);
      return skippedResult(stage, context);
    }
  }
  const runOne = await stages[stage]();
  const { noteRun } = await import('../../pipeline/last-run.js');
  const { filesRead } = await import('../../pipeline/origins.js');
  const scope = {
    stage,
    partition: context.partition,
    inputs: () => filesRead(tableOfStage[stage], context),
    ...(shard === undefined ? {} : { shard }),
  };
  const work = async () => {
    const result = await runOne(context, {
      acceptTypes,
      ...trace,
      ...(shard === undefined ? {} : { shard: shardOf(shard) }),
    });
    return await noteRun(stage, result, context);
  };
  return await observed(context.watch, scope, () => onLake(context, stage, work, shard));
}

/** `k/n`, checked with the arguments. */
function shardOf(text: string): Shard {
  const [index, count] = text.split('/').map(Number) as [number, number];
  return { index, count };
}

/** `dare pools verify`: of a folder, or of the partition. */
export async function runVerify(options: Options, tools: StageTools): Promise<CommandResult> {
  const { verify } = await import('../../pipeline/pools.js');
  if (options.pools !== undefined) return await verify(options.pools, tools);
  return await withPlace(options, tools, { reads: noInput }, ({ lake, partition, ...local }) =>
    verify(lake.dir('pools', partition), local),
  );
}

type Tool = (options: Options, tools: StageTools) => Promise<CommandResult>;

const toolsByName: Readonly<Record<ToolName, Tool>> = {
  simulate: async (options, tools) => {
    const { simulateOptions } = await import('./simulate-options.js');
    const { simulate } = await import('../../pipeline/simulate.js');
    return await simulate(simulateOptions(options), tools);
  },
  plan: async (options, tools) => {
    const { planOptions } = await import('./plan-options.js');
    const { plan } = await import('../../pipeline/plan.js');
    const { config, ...planned } = planOptions(options);
    if (config === undefined) return await plan(planned, tools);
    return await withLocalPaths(config, tools, { job: 'plan' }, (local, more) =>
      plan({ ...planned, config: local }, more.tools),
    );
  },
};

/** What looks ahead: files in, figures out. */
export async function runTool(tool: ToolName, options: Options, tools: StageTools): Promise<CommandResult> {
  return await toolsByName[tool](options, tools);
}

/** `dare explain`: a trace in, a drawing out. */
export async function runExplain(
  promptId: string,
  { trace = '', json = false }: Options,
): Promise<CommandResult> {
  const { explain } = await import('../../pipeline/explain.js');
  return await explain({ promptId, trace, steps: json });
}

/** `dare model`: neither configuration nor lake. */
export async function runModel(
  action: ModelAction,
  path: string,
  { cache, weights, concurrency, set, out }: Options,
  tools: StageTools,
): Promise<CommandResult> {
  if (action === 'costs') {
    const { modelCosts } = await import('../../pipeline/model-costs.js');
    return await modelCosts(path, tools, {
      ...(cache === undefined ? {} : { cache }),
      ...(weights === undefined ? {} : { weights }),
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(set === undefined ? {} : { set }),
      ...(out === undefined ? {} : { out }),
    });
  }
  const { importModel, inspect } = await import('../../pipeline/model.js');
  return action === 'inspect'
    ? inspect(path, cache)
    : await importModel(path, tools, {
        ...(cache === undefined ? {} : { cache }),
        ...(weights === undefined ? {} : { weights }),
      });
}

/** `dare pools` and `dare decode` without configuration and lake: files in, files out. */
export async function runStandalone(
  stage: StageName,
  options: Options,
  tools: StageTools,
): Promise<StageResult> {
  const { model = '', prompts = '', out = '', texts = '', tokenizer = '' } = options;
  const reading = (...inputs: string[]) => ({ stage, partition: '', inputs: async () => inputs });
  if (stage === 'pools') {
    const { poolsStandalone } = await import('../../pipeline/pools.js');
    return await observed(tools.watch, reading(texts, tokenizer), () =>
      poolsStandalone({ texts, tokenizer, out }, tools),
    );
  }
  const { decodeStandalone } = await import('../../pipeline/decode.js');
  const { pools, weights, mode, concurrency, set = [] } = options;
  const job = {
    model,
    prompts,
    out,
    set,
    ...(pools === undefined ? {} : { pools }),
    ...(weights === undefined ? {} : { weights }),
    ...(mode === undefined ? {} : { mode }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...traceOptions(options),
  };
  const read = [prompts, model, ...(pools === undefined ? [] : [pools])];
  return await observed(tools.watch, reading(...read), () => decodeStandalone(job, tools));
}
