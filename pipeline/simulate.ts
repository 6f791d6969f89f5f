import { dirname, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { loadCostTable } from '../src/engine/cost-table.js';
import { inputError } from '../src/errors.js';
import { Duck } from '../src/lake/duck.js';
import { makeFolder, replaceFile } from '../src/lake/lake.js';
import { textPages } from '../src/lake/pages.js';
import { loadTextModel } from '../src/model/text.js';
import { simulationTable } from '../src/report/simulation.js';
import { type PoolDocument, PoolMembers, toDocument } from '../src/simulate/documents.js';
import {
  linesOf,
  simulate as replayAll,
  type SimulationPlan,
  type SimulationRow,
} from '../src/simulate/simulate.js';
import { readReplayTexts } from '../src/simulate/texts.js';
import type { CommandResult, StageTools } from '../src/stage.js';
import type { TextModel } from '../src/text/tokenizer.js';

export interface SimulateOptions extends Omit<SimulationPlan, 'costs' | 'poolSizes'> {
  /** Parquet file or glob of recorded texts. */
  texts: string;
  /** Parquet file or glob of the texts that pools are made of. */
  poolTexts: string;
  /** Folder with tokenizer.json and tokenizer_config.json, or a GGUF file. */
  tokenizer: string;
  /** Parquet with the prompts of the texts, by `prompt_id`. */
  prompts?: string;
  /** At most so many texts are replayed. */
  limit?: number;
  /** Numbers of pool texts; all of them if left out. */
  poolSizes?: readonly number[];
  /** JSON file with a cost table. */
  costs?: string;
  /** Texts decoded together; the cost table's largest batch if left out. */
  batch?: number;
  /** Parquet file for the results. */
  out?: string;
}

/** `dare simulate`: what drafts would bring, by replaying recorded texts without a model. */
export async function simulate(options: SimulateOptions, tools: StageTools): Promise<CommandResult> {
  const started = performance.now();
  const costs = costsOf(options);
  const tokenizer = loadTextModel(options.tokenizer, undefined);
  const { documents, members } = await readPool(options.poolTexts, tokenizer, tools);
  const { texts, known } = await readTexts(options, tokenizer, members, tools);
  const { costs: _file, ...asked } = options;
  const plan: SimulationPlan = {
    ...asked,
    poolSizes: sizesOf(options.poolSizes, documents.length),
    ...(costs === undefined ? {} : { costs }),
  };
  const results: SimulationRow[] = [];
  tools.progress.start('replaying', linesOf(texts, plan));
  for (const row of replayAll(texts, documents, tokenizer, plan)) {
    results.push(row);
    tools.progress.advance(1);
    // signals are answered between two lines
    await nextTurn();
    tools.signal.throwIfAborted();
  }
  tools.progress.done();
  const out = options.out === undefined ? undefined : resolve(options.out);
  if (out !== undefined) await writeResults(out, results);
  return {
    stage: 'simulate',
    rows: results.length,
    files: out === undefined ? [] : [out],
    seconds: (performance.now() - started) / 1000,
    warnings: known === 0 ? [] : [overlap(known, texts.length)],
    summary: `\n${simulationTable(results)}`,
    texts: texts.length,
    poolTexts: documents.length,
    ...(costs === undefined ? {} : { batch: costs.batch }),
    results,
  };
}

function costsOf({ costs, batch }: SimulateOptions): SimulationPlan['costs'] {
  if (costs === undefined) return undefined;
  const table = loadCostTable(costs);
  return { table, batch: batch ?? (table.batch[table.batch.length - 1] as number) };
}

/** What is said of texts that the pools know. */
export function overlap(known: number, texts: number): string {
  return (
    `the pools hold texts of the same users or items as ${known} of the ${texts} texts: ` +
    'drafts for these look better than they are'
  );
}

/** Sizes beyond what there is are all there is, once. */
function sizesOf(sizes: readonly number[] | undefined, all: number): number[] {
  return [...new Set((sizes ?? [all]).map((size) => Math.min(size, all)))];
}

/** Reads what a simulation takes. */
export async function readPool(files: string, tokenizer: TextModel, tools: StageTools) {
  const documents: PoolDocument[] = [];
  const members = new PoolMembers();
  tools.progress.start('pool texts');
  for await (const page of textPages(files)) {
    tools.signal.throwIfAborted();
    for (const text of page) {
      documents.push(toDocument(text, tokenizer));
      members.add(text);
    }
    tools.progress.advance(page.length);
  }
  tools.progress.done();
  if (documents.length === 0)
    throw inputError(`${files} holds no texts`, 'Expected rows with a text and no error.');
  return { documents, members };
}

/** The texts to replay, and how many of them are of users or items that the pools know. */
export async function readTexts(
  { texts: files, prompts, limit }: Pick<SimulateOptions, 'texts' | 'prompts' | 'limit'>,
  tokenizer: TextModel,
  members: PoolMembers,
  { progress, signal }: StageTools,
) {
  progress.start('texts');
  const { texts, recorded } = await readReplayTexts(files, tokenizer, {
    ...(prompts === undefined ? {} : { prompts }),
    ...(limit === undefined ? {} : { limit }),
    signal,
    read: (rows) => progress.advance(rows),
  });
  progress.done();
  return { texts, known: recorded.filter((text) => members.has(text)).length };
}

async function writeResults(out: string, results: readonly SimulationRow[]): Promise<void> {
  makeFolder(dirname(out));
  const duck = await Duck.open();
  try {
    await replaceFile(out, 'the results could not be written', (path) =>
      duck.script('simulate/write', { params: { path, rows: JSON.stringify(results) } }),
    );
  } finally {
    duck.close();
  }
}
