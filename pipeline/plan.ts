import { existsSync } from 'node:fs';
import type { Config, DecodeConfig, StandaloneConfig } from '../src/config/schema.js';
import { defaultModelCache } from '../src/decode/settings.js';
import type { KnownCount } from '../src/decode/take-over.js';
import { loadCostTable, textMilliseconds } from '../src/engine/cost-table.js';
import { cpuSlots } from '../src/engine/open.js';
import { inputError } from '../src/errors.js';
import { openInputs } from '../src/lake/inputs.js';
import { Lake } from '../src/lake/lake.js';
import { PageSession } from '../src/lake/page-session.js';
import { type PromptGroup, type SampledPrompt, samplePrompts } from '../src/lake/prompt-sample.js';
import { inspectModel, type ModelMemory } from '../src/model/inspect.js';
import { loadTextModel } from '../src/model/text.js';
import { defaultMaxLength } from '../src/pool/builder.js';
import { planSummary } from '../src/report/plan.js';
import {
  figuresOf,
  forecast,
  hasOwn,
  type Machine,
  memoryForecast,
  promptLengths,
  sumOf,
  type TextFigures,
} from '../src/simulate/forecast.js';
import { type SimulationRow, simulate } from '../src/simulate/simulate.js';
import type { CommandResult, StageTools } from '../src/stage.js';
import { planPrompts } from '../src/text/prompt-plan.js';
import type { TextModel } from '../src/text/tokenizer.js';
import { reusedPrompts } from './plan-reuse.js';
import { overlap, readPool, readTexts } from './simulate.js';

export interface PlanOptions {
  /** Hugging Face folder or GGUF file. */
  model: string;
  /** What `decode` and `model` say in the configuration, or their defaults. */
  settings: Pick<StandaloneConfig, 'model' | 'decode'>;
  /** The catalogue; where it is left out, `prompts` must be there. */
  config?: Config;
  /** Parquet of the prompts; those of the lake's partition if left out, or else the numbers of items and users. */
  prompts?: string;
  /** Recorded texts and pool texts like those to come: tokens a step come from them. */
  recorded?: { texts: string; poolTexts: string };
  costs?: string;
  batch?: number;
  nodes?: number;
  /** Prompts of each kind, and texts, that are looked at. */
  limit: number;
}

/** Draft nodes where nobody says how many, and no cost table tells how many pay: a usual budget. */
const usualNodes = 16;

/** `dare plan`: prompts, tokens, hours and memory of a run, before anything is decoded. */
export async function plan(options: PlanOptions, tools: StageTools): Promise<CommandResult> {
  const { model, settings, limit } = options;
  const needs = memoryOf(model, settings);
  const machine = machineOf(options);
  const tokenizer = loadTextModel(model, settings.model.cache);
  tools.progress.start('prompts');
  const { groups, sample, source } = await promptsOf(options, limit);
  tools.progress.done();
  const known = await reusedOf(options, source, tokenizer, tools);
  const { rows, warnings } = await replayTexts(options, machine, tokenizer, tools);
  const lengths = groups.map((group) => promptLengths(group, sample, tokenizer));
  const results = groups.map((group, i) => {
    const texts = figuresOf(rows, group) ?? undrafted(settings.decode, machine);
    const isOfGroup = ({ entityType, framework }: KnownCount) =>
      entityType === group.entityType && framework === group.framework;
    return forecast({ ...group, reused: known.find(isOfGroup)?.known ?? 0 }, lengths[i], texts, machine);
  });
  const strange = rows.length === 0 ? [] : groups.filter((group) => !hasOwn(rows, group));
  if (strange.length > 0) warnings.push(othersStandFor(strange));
  const total = sumOf(results);
  const longest = Math.max(0, ...lengths.map((known) => known?.longest ?? 0));
  const { maxNewTokens } = settings.decode;
  const { device, weights } = settings.model;
  // a GPU decodes in float16 where it can
  const planned = weights === 'auto' && device === 'webgpu' ? 'float16' : weights;
  const memory = memoryForecast(needs, longest + maxNewTokens, machine.batch, planned);
  if (sample.length === 0) {
    warnings.push(
      'the prompts are counted from the inputs, every item and user once a framework, and their tokens are not known: ' +
        'dare prompts writes them and needs no GPU',
    );
  }
  return {
    stage: 'plan',
    source,
    ...total,
    batch: machine.batch,
    memory,
    warnings,
    summary: `\n${planSummary(results, total, memory)}\nprompts: ${source}`,
    results,
  };
}

/** Nothing without prompts of a lake: then it isn't known what they are, or where earlier texts are. */
async function reusedOf(
  { config, model }: PlanOptions,
  source: string,
  tokenizer: TextModel,
  tools: StageTools,
): Promise<KnownCount[]> {
  if (config === undefined || source === countedInputs) return [];
  tools.progress.start('earlier texts');
  const known = await reusedPrompts(config, model, source, tokenizer, tools);
  tools.progress.done();
  return known;
}

function othersStandFor(groups: readonly PromptGroup[]): string {
  const kinds = groups.map(({ entityType, framework }) => [framework, entityType].filter(Boolean).join(' '));
  return (
    `no recorded texts are of the kind ${kinds.map((kind) => kind || 'that the prompts are of').join(', ')}: ` +
    'those of the same entity type, or else of all, are taken for them'
  );
}

function memoryOf(model: string, { model: { cache } }: PlanOptions['settings']): ModelMemory {
  const { memory, supported, reasons } = inspectModel(model, cache ?? defaultModelCache());
  if (memory !== undefined && supported) return memory;
  throw inputError(
    `${model} can't be decoded with: ${reasons[0] ?? 'its size is not known'}`,
    'dare model inspect says more.',
  );
}

function machineOf({ costs: file, batch, settings }: PlanOptions): Machine {
  const costs = file === undefined ? undefined : loadCostTable(file);
  const { concurrency } = settings.decode;
  const configured = concurrency === 'auto' ? undefined : concurrency;
  return { costs, batch: batch ?? configured ?? costs?.batch.at(-1) ?? cpuSlots };
}

interface Prompts {
  groups: PromptGroup[];
  sample: SampledPrompt[];
  /** The file of prompts, or `countedInputs`. */
  source: string;
}

const countedInputs = 'inputs';

async function promptsOf({ config, prompts }: PlanOptions, limit: number): Promise<Prompts> {
  const written = config === undefined ? '' : new Lake(config.lake).file('prompts', config.partition);
  const file = prompts ?? (existsSync(written) ? written : undefined);
  if (file !== undefined) {
    const { groups, sample } = await samplePrompts(file, limit);
    if (groups.length === 0) throw inputError(`${file} holds no prompts`, 'Expected a row for each prompt.');
    return { groups, sample, source: file };
  }
  return { groups: await countInputs(config as Config), sample: [], source: countedInputs };
}

/** A prompt for every item and user, and each framework that has a template for them. */
async function countInputs(config: Config): Promise<PromptGroup[]> {
  const { tasks } = planPrompts(config);
  const session = await PageSession.open({});
  try {
    const { itemCount, userCount } = await openInputs(session.duck, config.inputs);
    const count = { item: itemCount, user: userCount };
    return tasks.map(({ entityType, framework }) => {
      return { entityType, framework, prompts: count[entityType] };
    });
  } finally {
    session.close();
  }
}

/** What drafts bring, by entity type and framework; nothing without recorded texts. */
async function replayTexts(
  { recorded, nodes, limit, settings: { decode }, config }: PlanOptions,
  { costs, batch }: Machine,
  tokenizer: TextModel,
  tools: StageTools,
): Promise<{ rows: SimulationRow[]; warnings: string[] }> {
  if (recorded === undefined) {
    const bound = `every text is taken to have ${decode.maxNewTokens} tokens (decode.maxNewTokens), one a step`;
    return { rows: [], warnings: [`no recorded texts are given: ${bound}`] };
  }
  const { documents, members } = await readPool(recorded.poolTexts, tokenizer, tools);
  const { texts, known } = await readTexts({ texts: recorded.texts, limit }, tokenizer, members, tools);
  // with a cost table drafts are as large as pays, as those of decoding, up to what its steps were measured with
  const most = costs === undefined ? usualNodes : (costs.rows.at(-1) as number) - 1;
  const configured = decode.nodes === 'auto' ? most : decode.nodes;
  const drafts = decode.mode !== 'autoregressive' && (nodes ?? configured) > 0;
  const all = [
    ...simulate(texts, documents, tokenizer, {
      sources: [drafts ? 'mixed' : 'none'],
      weighed: nodes === undefined,
      maxNewTokens: decode.maxNewTokens,
      nodes: [nodes ?? configured],
      lengths: [config?.pools.maxLength ?? defaultMaxLength],
      poolSizes: [documents.length],
      by: ['entity', 'framework'],
      peers: false,
      divergenceBudget: decode.divergenceBudget,
      minGain: decode.minGain,
      ...(costs === undefined ? {} : { costs: { table: costs, batch } }),
    }),
  ];
  const relaxed = decode.mode === 'relaxed' ? all.filter(({ mode }) => mode === 'relaxed') : [];
  return {
    rows: relaxed.length > 0 ? relaxed : all.filter(({ mode }) => mode === 'greedy'),
    warnings: known === 0 ? [] : [overlap(known, texts.length)],
  };
}

/** The most that a text can take. */
function undrafted({ maxNewTokens }: DecodeConfig, { costs, batch }: Machine): TextFigures {
  const millisecondsPerToken = costs === undefined ? null : textMilliseconds(costs, batch, 1);
  return { outputTokens: maxNewTokens, tokensPerStep: 1, millisecondsPerToken };
}
