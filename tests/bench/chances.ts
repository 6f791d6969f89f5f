/**
 * How far the chances of draft nodes can be believed, over all texts: users and items are held out of the pools in turn,
 * a share of them at a time, and their texts are replayed without and with their prompts. Figures for people go to stderr,
 * the last line of stdout is JSON: of each entity type the tenths of estimated chances, with standard errors.
 * usage: node dist/tests/bench/chances.js --model DIR --texts FILE --prompts FILE [--drafted FILE] [--folds N] [--relaxed]
 *   [--unknown]
 * --texts: Parquet with text, prompt_id, entity_type, entity_id, cohort; --prompts: that with their prompts
 * --relaxed: drafts of mode relaxed; what was accepted is still what the text goes on with
 * --unknown: the pools are built without the prompts of their texts, as those of pools.texts are
 * --drafted: texts to replay (those of --texts if left out); the pools hold none of their users and items
 */
import { parseArgs } from 'node:util';
import { hashShare } from '../../src/decode/rounds.js';
import { promptIds } from '../../src/decode/row.js';
import { calibrate } from '../../src/draft/calibrate.js';
import { promptPages, textPages } from '../../src/lake/pages.js';
import { loadTextModel } from '../../src/model/text.js';
import { defaultMaxLength, PoolBuilder, poolSettings } from '../../src/pool/builder.js';
import type { ReplayText } from '../../src/simulate/replay.js';
import { openPools, sourceDrafter } from '../../src/simulate/sources.js';
import type { TextModel } from '../../src/text/tokenizer.js';
import { Reliability } from '../draft/reliability.js';

interface Text {
  promptId: string | null;
  entityType: string | null;
  cohort: string | null;
  ids: Int32Array;
  /** In which turn it is held out. */
  fold: number;
}

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    texts: { type: 'string' },
    prompts: { type: 'string' },
    drafted: { type: 'string' },
    folds: { type: 'string', default: '10' },
    relaxed: { type: 'boolean', default: false },
    unknown: { type: 'boolean', default: false },
  },
});
const { model, texts: file, prompts: promptFile } = options;
if (model === undefined || file === undefined || promptFile === undefined)
  throw new Error('--model, --texts and --prompts are needed: see the head of tests/bench/chances.ts');
const folds = Number(options.folds);
/** Draft nodes of a step. */
const nodes = 16;

const tokenizer = loadTextModel(model, undefined);
const prompts = await readPrompts(tokenizer, promptFile);
const texts = await readTexts(tokenizer, file);
const drafted = options.drafted === undefined ? texts : await readTexts(tokenizer, options.drafted);
const found = new Map<string, Reliability>();
for (let fold = 0; fold < folds; fold++) {
  for (const kind of ['without prompts', 'with prompts'] as const) {
    const builder = new PoolBuilder(poolSettings(tokenizer, defaultMaxLength), calibrate);
    for (const { entityType, cohort, ids, promptId, fold: own } of texts)
      if (own !== fold) builder.add(entityType, cohort, ids, true, promptId);
    // as decoding has it: where prompts are known, chances are learnt behind them
    const known = kind === 'with prompts' && !options.unknown ? prompts : undefined;
    const drafter = sourceDrafter(tokenizer, openPools(builder.build(known)), 'mixed');
    for (const text of drafted) {
      if (text.fold !== fold) continue;
      const prompt = prompts.get(text.promptId ?? '');
      if (prompt === undefined) throw new Error(`--prompts lacks ${text.promptId}`);
      const before = kind === 'with prompts' ? prompt : tokenizer.generationPrompt;
      const name = `${text.entityType}, ${kind}`;
      const reliability = found.get(name) ?? new Reliability();
      found.set(name, reliability);
      reliability.add([replayed(tokenizer, text, before)], drafter, nodes, options.relaxed);
    }
  }
}
const results = [...found].map(([name, { tenths }]) => ({ name, tenths }));
for (const { name, tenths } of results) {
  const points = tenths.map(({ predicted, observed, standardError }) =>
    [100 * (observed - predicted), 100 * standardError].map((value) => value.toFixed(1)).join(' ± '),
  );
  process.stderr.write(`${name}: observed less predicted, in points: ${points.join(', ')}\n`);
}
process.stdout.write(`${JSON.stringify({ folds, texts: texts.length, drafted: drafted.length, results })}\n`);

async function readPrompts(tokenizer: TextModel, file: string): Promise<Map<string, Int32Array>> {
  const prompts = new Map<string, Int32Array>();
  for await (const page of promptPages(file))
    for (const prompt of page) prompts.set(prompt.promptId, Int32Array.from(promptIds(tokenizer, prompt)));
  return prompts;
}

async function readTexts(tokenizer: TextModel, file: string): Promise<Text[]> {
  const texts: Text[] = [];
  for await (const page of textPages([file])) {
    for (const { promptId, entityType, entityId, cohort, text } of page) {
      const fold = Math.floor(folds * hashShare(JSON.stringify([entityType, entityId])));
      const ids = Int32Array.from(tokenizer.encodeText(text));
      texts.push({ promptId, entityType, cohort, ids, fold });
    }
  }
  return texts;
}

function replayed(tokenizer: TextModel, { entityType, cohort, ids }: Text, prompt: Int32Array): ReplayText {
  const answerIds = Int32Array.of(...ids, ...[...tokenizer.endTokens].slice(0, 1));
  return { entityType, cohort, framework: null, promptIds: prompt, answerIds };
}
