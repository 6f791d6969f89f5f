/**
 * Tokens a step of greedy and relaxed decoding where both have the same number of draft nodes in every step, whatever
 * steps cost: what relaxing brings by itself.
 * usage: node dist/tests/bench/downstream/budgets.js --prompts FILE --pool-texts FILE --model FILE [--device cpu]
 *   [--nodes 16,32,64] [--limit 40] [--concurrency 8] [--max-new-tokens 128] [--set decode.minGain=0] ...
 *   --pool-texts  autoregressive.parquet of downstream/decode.js; texts of the measured prompts' entities are left out
 *   --limit       prompts of each entity type, chosen by hash
 *   --set         as in dare decode
 */
import { parseArgs } from 'node:util';
import { loadStandalone } from '../../../src/config/load.js';
import { DecodeWorker } from '../../../src/decode/client.js';
import { decodeSettings, defaultModelCache } from '../../../src/decode/settings.js';
import { loadTextModel } from '../../../src/model/text.js';
import { chooseBenchPrompts, heldOutPools } from '../inputs.js';
import { machine } from '../machine.js';
import { runOnce } from '../measure.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    prompts: text,
    'pool-texts': text,
    model: text,
    device: { ...text, default: 'cpu' },
    nodes: { ...text, default: '16,32,64' },
    limit: { ...text, default: '40' },
    concurrency: { ...text, default: '8' },
    'max-new-tokens': { ...text, default: '128' },
    set: { ...text, multiple: true, default: [] },
  },
});
const { prompts: file, 'pool-texts': poolTexts, model } = values;
if (file === undefined || poolTexts === undefined || model === undefined) {
  throw new Error('--prompts FILE, --pool-texts FILE and --model FILE are needed');
}
const given = [`decode.maxNewTokens=${values['max-new-tokens']}`, `model.device=${values.device}`];
const overrides = [...given, ...values.set];
const settings = loadStandalone(overrides, { concurrency: values.concurrency });
const tokenizer = loadTextModel(model, undefined);
const prompts = await chooseBenchPrompts(file, Number(values.limit));
const pools = await heldOutPools(poolTexts, prompts, tokenizer, file);
const { weights, device } = settings.model;
const slots = Number(values.concurrency);
const worker = await DecodeWorker.start({
  engine: { model, cache: defaultModelCache(), slots, threads: 0, device, weights },
  vocabulary: tokenizer.vocabularySize,
  endTokens: [...tokenizer.endTokens],
});
worker.usePools(pools.bytes);

const results = [];
for (const nodes of values.nodes.split(',').map(Number)) {
  for (const entity of ['item', 'user']) {
    const chosen = prompts.filter(({ entityType }) => entityType === entity);
    const tokensPerStep = { greedy: 0, relaxed: 0 };
    for (const mode of ['greedy', 'relaxed'] as const) {
      // every node that the drafter has, likely or not
      const rules = { ...decodeSettings(settings.decode), mode, nodes, minPathProbability: 0 };
      const { sums } = await runOnce(worker, tokenizer, chosen, rules);
      tokensPerStep[mode] = sums.tokens / sums.decodeSteps;
    }
    const { greedy, relaxed } = tokensPerStep;
    const result = { nodes, entity, greedy, relaxed, ratio: relaxed / greedy };
    process.stderr.write(`${JSON.stringify(result)}\n`);
    results.push(result);
  }
}
await worker.close();
const command = process.argv.slice(2).join(' ');
const report = { ...machine(), device: worker.device, command, poolTexts: pools.texts, results };
console.log(JSON.stringify(report));
