/**
 * Speed of autoregressive, greedy and relaxed decoding on the same prompts, in turns, with prompts held out of the
 * pools. The last line of stdout is JSON; a table for people goes to stderr. usage: npm run -s bench -- --help
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { loadStandalone } from '../../src/config/load.js';
import type { Mode } from '../../src/config/schema.js';
import { DecodeWorker } from '../../src/decode/client.js';
import { promptIds } from '../../src/decode/row.js';
import type { DecodeSettings } from '../../src/decode/sequence.js';
import { decodeSettings, defaultModelCache } from '../../src/decode/settings.js';
import { DareError, inputError, messageOf } from '../../src/errors.js';
import type { PromptRow } from '../../src/lake/pages.js';
import type { PoolKey } from '../../src/pool/builder.js';
import { TextModel } from '../../src/text/tokenizer.js';
import { choosePrompts, heldOutPools } from './inputs.js';
import { addSums, figuresOf, medianFigures, type Result, runOnce, type Sums } from './measure.js';
import { sampleFiles, sampleModel } from './sample.js';

const usage = `npm run -s bench -- [options]
  --model DIR          Hugging Face folder (default: the sample's)
  --prompts FILE       Parquet with prompt_id, prompt or messages, entity_type, cohort, entity_id (default: the
                       sample's KAR prompts, made once)
  --pool-texts FILE    Parquet with text, entity_type, cohort, prompt_id, entity_id (default: the model's texts for
                       the sample's prompts, made once); texts of the prompts or their entities are left out
  --device cpu         the device to decode on
  --concurrency LIST   texts decoded together: what each mode's best is looked for among (default 1,4,16,32)
  --turns N            repetitions, of which medians are taken (default 3)
  --limit N            prompts an entity type, chosen by hash (default 40)
`;

interface Bench {
  tokenizer: TextModel;
  settings: DecodeSettings;
  workers: Map<number, DecodeWorker>;
  /** Prompts by entity type. */
  groups: [entity: string, prompts: PromptRow[]][];
}

/** Their texts can be compared with each other. */
const MODES = ['autoregressive', 'greedy', 'relaxed'] as const satisfies readonly Mode[];

/** Runs of one mode and concurrency: an entry a turn. */
type Turns = Map<string, Sums>[];

try {
  await main();
} catch (error) {
  const hint = error instanceof DareError && error.hint !== undefined ? `\n${error.hint}` : '';
  process.stderr.write(`bench: ${messageOf(error)}${hint}\n`);
  process.exit(error instanceof DareError ? error.exitCode : 1);
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) {
    process.stdout.write(usage);
    return;
  }
  const tokenizer = TextModel.load(options.model);
  const defaults = options.prompts && options.poolTexts ? undefined : await sampleFiles(options.model);
  const chosen = await choosePrompts(options.prompts ?? defaults?.prompts ?? '', options.limit);
  const pools = await heldOutPools(options.poolTexts ?? defaults?.texts ?? '', chosen, tokenizer);
  const workers = await startWorkers(options.model, tokenizer, options.concurrency, pools.bytes);
  try {
    const prompts = fitting(chosen, tokenizer, [...workers.values()][0] as DecodeWorker);
    const settings = decodeSettings(loadStandalone().decode);
    const bench: Bench = { tokenizer, settings, workers, groups: byEntity(prompts) };
    say(`${prompts.length} prompts; pools of ${pools.texts} texts (${pools.dropped} left out)`);
    const best = await findBest(bench, options.concurrency);
    const results = await measure(bench, best, options.turns);
    say(table(results, best));
    const processors = cpus();
    const report = {
      machine: `${processors.length} x ${processors[0]?.model.trim() ?? process.arch}`,
      model: options.model,
      prompts: prompts.length,
      date: new Date().toISOString().slice(0, 10),
      command: ['npm run -s bench --', ...process.argv.slice(2)].join(' '),
      results,
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await Promise.all([...workers.values()].map((worker) => worker.close()));
  }
}

function readOptions() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      model: { ...text, default: sampleModel },
      prompts: text,
      'pool-texts': text,
      device: { ...text, default: 'cpu' },
      concurrency: { ...text, default: '1,4,16,32' },
      turns: { ...text, default: '3' },
      limit: { ...text, default: '40' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.device !== 'cpu') throw inputError(`--device ${values.device} is unknown: expected cpu`);
  const listed = values.concurrency.split(',').map((value) => whole('concurrency', value));
  return {
    model: values.model,
    prompts: values.prompts,
    poolTexts: values['pool-texts'],
    concurrency: [...new Set([1, ...listed])].sort((a, b) => a - b),
    turns: whole('turns', values.turns),
    limit: whole('limit', values.limit),
  };
}

function whole(option: string, value: string): number {
  if (/^[1-9]\d{0,4}$/.test(value)) return Number(value);
  throw inputError(`--${option} holds ${JSON.stringify(value)}: expected whole numbers from 1`);
}

/** A decoding thread for each concurrency, all with the same pools. */
async function startWorkers(
  model: string,
  tokenizer: TextModel,
  concurrencies: readonly number[],
  pools: ReadonlyMap<PoolKey, SharedArrayBuffer>,
): Promise<Map<number, DecodeWorker>> {
  const workers = new Map<number, DecodeWorker>();
  const { vocabularySize: vocabulary, endTokens } = tokenizer;
  for (const slots of concurrencies) {
    const cache = defaultModelCache();
    const options = { model, cache, slots, threads: 0, vocabulary, endTokens: [...endTokens] };
    const worker = await DecodeWorker.start(options);
    worker.usePools(pools);
    workers.set(slots, worker);
  }
  return workers;
}

function fitting(prompts: readonly PromptRow[], tokenizer: TextModel, { context }: DecodeWorker) {
  const fit = prompts.filter((prompt) => promptIds(tokenizer, prompt).length < context);
  if (fit.length === 0) throw inputError(`every prompt is longer than the model's context of ${context}`);
  if (fit.length < prompts.length) say(`${prompts.length - fit.length} prompts are too long and left out`);
  return fit;
}

function byEntity(prompts: readonly PromptRow[]): Bench['groups'] {
  const groups = new Map<string, PromptRow[]>();
  for (const prompt of prompts) {
    const entity = prompt.entityType ?? 'other';
    groups.set(entity, [...(groups.get(entity) ?? []), prompt]);
  }
  return [...groups];
}

/** All prompts once, entity by entity; their sum is the entity `all`. */
async function runAll(bench: Bench, mode: Mode, concurrency: number) {
  const worker = bench.workers.get(concurrency) as DecodeWorker;
  const sums = new Map<string, Sums>();
  const texts = new Map<string, string>();
  for (const [entity, prompts] of bench.groups) {
    const run = await runOnce(worker, concurrency, bench.tokenizer, prompts, { ...bench.settings, mode });
    sums.set(entity, run.sums);
    for (const [id, text] of run.texts) texts.set(id, text);
  }
  sums.set('all', addSums([...sums.values()]));
  return { sums, texts };
}

/** Each mode's fastest concurrency over all prompts, in one run each; it warms the engines up as well. */
async function findBest(bench: Bench, candidates: readonly number[]): Promise<Map<Mode, number>> {
  const best = new Map<Mode, number>();
  const reference = new Map<string, string>();
  for (const mode of MODES) {
    let most = 0;
    for (const concurrency of candidates) {
      const { sums, texts } = await runAll(bench, mode, concurrency);
      const { tokensPerSecond } = figuresOf(sums.get('all') as Sums);
      if (reference.size === 0) for (const [id, text] of texts) reference.set(id, text);
      const same = [...texts].filter(([id, text]) => reference.get(id) === text).length;
      const speed = `${tokensPerSecond.toFixed(0)} tokens/s`;
      say(`trial: ${mode} at ${concurrency}: ${speed}, ${same} of ${texts.size} texts as autoregressive`);
      if (tokensPerSecond > most) best.set(mode, concurrency);
      most = Math.max(most, tokensPerSecond);
    }
  }
  return best;
}

/** Every mode at concurrency 1 and at its best, in turns, so that the machine's moods meet all alike. */
async function measure(bench: Bench, best: ReadonlyMap<Mode, number>, count: number): Promise<Result[]> {
  const cases = MODES.flatMap((mode) =>
    [...new Set([1, best.get(mode) ?? 1])].map((concurrency) => ({ mode, concurrency, turns: [] as Turns })),
  ).sort((a, b) => Number(a.concurrency > 1) - Number(b.concurrency > 1));
  for (let turn = 0; turn < count; turn++) {
    // there and back: a machine that slows down or speeds up meanwhile meets no mode always last
    for (const { mode, concurrency, turns } of turn % 2 === 0 ? cases : cases.toReversed()) {
      turns.push((await runAll(bench, mode, concurrency)).sums);
    }
    say(`turn ${turn + 1} of ${count} done`);
  }
  const entities = [...bench.groups.map(([entity]) => entity), 'all'];
  return cases.flatMap(({ mode, concurrency, turns }) =>
    entities.map((entity) => {
      const figures = medianFigures(turns.map((sums) => sums.get(entity) as Sums));
      return { mode, entity, concurrency, ...figures };
    }),
  );
}

/** Ratios are to autoregressive at concurrency 1, and at each mode's best to autoregressive at its own best. */
function table(results: readonly Result[], best: ReadonlyMap<Mode, number>): string {
  const find = (mode: Mode, entity: string, concurrency: number) =>
    results.find((r) => r.mode === mode && r.entity === entity && r.concurrency === concurrency) as Result;
  const line = (title: string, r: Result, base: Result) =>
    `${title.padEnd(8)}${r.entity.padEnd(6)}${r.mode.padEnd(16)}${String(r.concurrency).padStart(4)}` +
    `${r.tokensPerSecond.toFixed(0).padStart(10)}` +
    `${`${(r.tokensPerSecond / base.tokensPerSecond).toFixed(2)}x`.padStart(8)}` +
    `${r.endToEndTokensPerSecond.toFixed(0).padStart(12)}` +
    `${`${(r.endToEndTokensPerSecond / base.endToEndTokensPerSecond).toFixed(2)}x`.padStart(8)}` +
    `${r.tokensPerStep.toFixed(2).padStart(13)}${`${(r.modelShare * 100).toFixed(1)}%`.padStart(10)}` +
    `${r.draftMicrosPerToken.toFixed(1).padStart(13)}`;
  const lines = [
    'setting entity mode           conc.  tokens/s   ratio  end to end   ratio  tokens/step  in model  draft us/tok',
  ];
  for (const setting of ['one', 'best'] as const) {
    const at = (mode: Mode) => (setting === 'one' ? 1 : (best.get(mode) ?? 1));
    for (const entity of new Set(results.map((result) => result.entity))) {
      const base = find('autoregressive', entity, at('autoregressive'));
      for (const mode of MODES) lines.push(line(setting, find(mode, entity, at(mode)), base));
    }
  }
  return lines.join('\n');
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
