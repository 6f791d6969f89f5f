/**
 * Speed of autoregressive, greedy and relaxed decoding, and of peers, on the same prompts, in turns, with prompts held
 * out of the pools. The last line of stdout is JSON; a table for people goes to stderr.
 * usage: npm run -s bench -- --help; README.md beside this file
 */
import { loadStandalone } from '../../src/config/load.js';
import type { Mode } from '../../src/config/schema.js';
import { DecodeWorker } from '../../src/decode/client.js';
import { promptIds } from '../../src/decode/row.js';
import { decodeSettings, defaultModelCache } from '../../src/decode/settings.js';
import { inputError } from '../../src/errors.js';
import type { PromptRow } from '../../src/lake/pages.js';
import { loadTextModel } from '../../src/model/text.js';
import type { PoolKey } from '../../src/pool/builder.js';
import type { ReplayText } from '../../src/simulate/replay.js';
import type { TextModel } from '../../src/text/tokenizer.js';
import { ownMode, peerMode, type Setting } from './contender.js';
import { chooseBenchPrompts, heldOutPools } from './inputs.js';
import { machine } from './machine.js';
import type { Result } from './measure.js';
import { type BenchOptions, readOptions, usage } from './options.js';
import { Peer } from './peers/peer.js';
import { predictSpeeds, replayText } from './predict.js';
import { runProgram, say } from './program.js';
import { sampleFiles } from './sample.js';
import { shuffledPrompt } from './shuffle.js';
import { table } from './table.js';
import { chooseSettings, type Groups, measure } from './turns.js';

/** Their texts can be compared with each other. */
const MODES = ['autoregressive', 'greedy', 'relaxed'] as const satisfies readonly Mode[];

await runProgram('bench', main);

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) {
    process.stdout.write(usage);
    return;
  }
  const closing: { close(): Promise<void> }[] = [];
  try {
    // first, so that a missing peer is met at once
    const peers = await startPeers(options, closing);
    const tokenizer = loadTextModel(options.model, undefined);
    const defaults = options.prompts && options.poolTexts ? undefined : await sampleFiles(options.model);
    const { shuffle } = options;
    const promptFile = options.prompts ?? defaults?.prompts ?? '';
    const rows = await chooseBenchPrompts(promptFile, options.limit);
    const chosen = shuffle ? rows.map(shuffledPrompt) : rows;
    const texts = options.poolTexts ?? defaults?.texts ?? '';
    const pools = await heldOutPools(texts, chosen, tokenizer, promptFile, shuffle);
    const workers = await startWorkers(options, tokenizer, pools.bytes);
    closing.push(...workers.values());
    const prompter = [...workers.values()][0] as DecodeWorker;
    const prompts = fitting(chosen, tokenizer, prompter);
    const settings = decodeSettings(loadStandalone().decode);
    const groups = byEntity(prompts);
    const contenders = [
      ...MODES.map((mode) => ownMode(mode, workers, tokenizer, settings)),
      ...peers.map((peer) => peerMode(peer, peerSettings(peer, options, groups), tokenizer, settings)),
    ];
    say(`${prompts.length} prompts; pools of ${pools.texts} texts (${pools.dropped} left out)`);
    const { chosen: fastest, texts: decoded } = await chooseSettings(contenders, groups, say);
    const measured = await measure(fastest, groups, options.turns, say);
    const replayed = groups.map(([entity, rows]): [string, ReplayText[]] => [
      entity,
      rows.map((row) => replayText(tokenizer, row, decoded.get(row.promptId) as string)),
    ]);
    const speeds = await predictions(replayed, workers, tokenizer, pools.bytes);
    const results = measured.map((result) => ({
      ...result,
      predictedTokensPerSecond: speeds.get(keyOf(result)) ?? null,
    }));
    say(table(results, fastest));
    const report = {
      ...machine(),
      device: prompter.device,
      weights: prompter.weights,
      model: options.model,
      peers: Object.fromEntries(peers.map(({ name, greeting }) => [name, greeting.about])),
      prompts: prompts.length,
      command: ['npm run -s bench --', ...process.argv.slice(2)].join(' '),
      results,
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await Promise.all(closing.map((thread) => thread.close()));
  }
}

async function startPeers(options: BenchOptions, closing: { close(): Promise<void> }[]): Promise<Peer[]> {
  const { peerModel, peerModules: modules, python } = options;
  const peers: Peer[] = [];
  for (const name of options.peers) {
    const peer = await Peer.start(name, { model: peerModel[name], modules, python });
    peers.push(peer);
    closing.push(peer);
  }
  return peers;
}

/** Concurrencies up to the first that takes all prompts of an entity type, each without and with lookup. */
function peerSettings(
  { name, greeting }: Peer,
  { peerConcurrency }: BenchOptions,
  groups: Groups,
): Setting[] {
  const largest = Math.max(...groups.map(([, prompts]) => prompts.length));
  const useful = peerConcurrency[name].filter((_, i, all) => i === 0 || (all[i - 1] ?? 0) < largest);
  const lookups: Pick<Setting, 'lookup'>[] = greeting.lookup ? [{}, { lookup: true }] : [{}];
  return useful.flatMap((concurrency) => lookups.map((lookup) => ({ concurrency, ...lookup })));
}

/** Tokens a second that replays predict, by `keyOf`. */
async function predictions(
  groups: readonly [entity: string, texts: ReplayText[]][],
  workers: ReadonlyMap<number, DecodeWorker>,
  tokenizer: TextModel,
  pools: ReadonlyMap<PoolKey, SharedArrayBuffer>,
): Promise<Map<string, number>> {
  const speeds = new Map<string, number>();
  const all = groups.flatMap(([, texts]) => texts);
  for (const [concurrency, worker] of workers) {
    worker.use({ ...decodeSettings(loadStandalone().decode), mode: 'greedy' });
    const costs = await worker.costs();
    if (costs === undefined) continue;
    for (const [entity, texts] of [...groups, ['all', all] as const]) {
      const predicted = predictSpeeds(texts, tokenizer, pools, costs.table, concurrency);
      for (const mode of ['autoregressive', 'greedy'] as const)
        speeds.set(keyOf({ mode, entity, concurrency }), Number(predicted[mode].toFixed(1)));
    }
  }
  return speeds;
}

function keyOf({ mode, entity, concurrency }: Pick<Result, 'mode' | 'entity' | 'concurrency'>): string {
  return JSON.stringify([mode, entity, concurrency]);
}

/** A decoding thread for each concurrency, all with the same pools. */
async function startWorkers(
  { model, device, weights, concurrency }: BenchOptions,
  tokenizer: TextModel,
  pools: ReadonlyMap<PoolKey, SharedArrayBuffer>,
): Promise<Map<number, DecodeWorker>> {
  const workers = new Map<number, DecodeWorker>();
  const { vocabularySize: vocabulary, endTokens } = tokenizer;
  for (const slots of concurrency) {
    const engine = { model, cache: defaultModelCache(), slots, threads: 0, device, weights };
    const worker = await DecodeWorker.start({ engine, vocabulary, endTokens: [...endTokens] });
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

function byEntity(prompts: readonly PromptRow[]): Groups {
  const groups = new Map<string, PromptRow[]>();
  for (const prompt of prompts) {
    const entity = prompt.entityType ?? 'other';
    groups.set(entity, [...(groups.get(entity) ?? []), prompt]);
  }
  return [...groups];
}
