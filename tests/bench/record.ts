/**
 * Decodes prompts greedily, without drafts, and writes the texts with the runner-up of each token: for dare simulate.
 * usage: node dist/tests/bench/record.js --prompts FILE --out FILE [--model PATH] [--device cpu|webgpu] [--limit N]
 *   [--max-new-tokens N] [--min-prob P]
 * The file of prompts has a row for each prompt_id. --limit takes so many prompts of each entity type.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { defaultModelCache } from '../../src/decode/settings.js';
import { openEngine } from '../../src/engine/open.js';
import { Duck } from '../../src/lake/duck.js';
import { loadTextModel } from '../../src/model/text.js';
import { packageRoot } from '../../src/paths.js';
import { record } from '../simulate/record.js';
import { chooseBenchPrompts } from './inputs.js';
import { benchTools, sampleModel } from './sample.js';

const { values: options } = parseArgs({
  options: {
    prompts: { type: 'string' },
    out: { type: 'string' },
    model: { type: 'string', default: sampleModel },
    device: { type: 'string', default: 'auto' },
    limit: { type: 'string', default: '1000' },
    'max-new-tokens': { type: 'string', default: '256' },
    'min-prob': { type: 'string', default: '0.1' },
  },
});
const { prompts: file, out, model, device } = options;
if (file === undefined || out === undefined) throw new Error('--prompts FILE and --out FILE are needed');
if (device !== 'cpu' && device !== 'webgpu' && device !== 'auto')
  throw new Error(`--device is cpu, webgpu or auto, not ${device}`);

const cache = defaultModelCache();
const tokenizer = loadTextModel(model, cache);
const prompts = await chooseBenchPrompts(file, Number(options.limit));
const { engine } = await openEngine({ model, cache, device, slots: undefined, threads: 0 });
const { progress } = benchTools();
progress.start('texts', prompts.length);
const ids = prompts.map(({ prompt, messages }) =>
  messages === null ? tokenizer.encodePrompt(prompt ?? '') : tokenizer.encodeChat(messages),
);
const rule = {
  maxNewTokens: Number(options['max-new-tokens']),
  minProb: Number(options['min-prob']),
  endTokens: tokenizer.endTokens,
};
const recordings = await record(engine, ids, rule, (finished) => progress.advance(finished));
progress.done();
await engine.close();

const rows = recordings.map((recording, i) => ({
  prompt_id: prompts[i]?.promptId,
  text: tokenizer.decode(recording.ids),
  finish_reason: recording.finishReason,
  output_token_ids: recording.ids,
  second_ids: recording.secondIds,
  second_costs: recording.secondCosts,
}));
const duck = await Duck.open();
const sql = readFileSync(join(packageRoot, 'tests/bench/record.sql'), 'utf8');
await duck.run(sql, { rows: JSON.stringify(rows), prompts: file, out });
duck.close();
console.log(JSON.stringify({ texts: rows.length, out }));
