/**
 * What each weight type costs and brings on this machine: its difference from float32 on texts that the model wrote in
 * float32, and the time of a step, with the types in turns. The last line of stdout is JSON, a table goes to stderr.
 * usage: node dist/tests/bench/weights.js [--model DIR] [--device cpu|webgpu|cuda] [--texts FILE] [--limit N] [--turns N]
 *   [--context N]
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../../src/decode/compare.js';
import { defaultModelCache } from '../../src/decode/settings.js';
import type { Engine } from '../../src/engine/engine.js';
import { prepareEnvironment } from '../../src/engine/environment.js';
import { openEngine } from '../../src/engine/open.js';
import { CPU_WEIGHTS } from '../../src/model/linear.js';
import { packageRoot } from '../../src/paths.js';
import { type GreedyText, measureQuality } from './quality.js';
import { sampleModel } from './sample.js';

/** Sequences in a step and rows of each. */
const steps: readonly (readonly [batch: number, rows: number])[] = [
  [1, 1],
  [1, 4],
  [1, 8],
  [1, 12],
  [1, 16],
  [16, 1],
  [16, 8],
];

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: sampleModel },
    device: { type: 'string', default: 'cpu' },
    texts: { type: 'string', default: join(packageRoot, 'tests/golden/model-reference.jsonl') },
    limit: { type: 'string', default: '36' },
    turns: { type: 'string', default: '15' },
    context: { type: 'string', default: '200' },
  },
});
const texts = readFileSync(options.texts, 'utf8')
  .trim()
  .split('\n')
  .slice(0, Number(options.limit))
  .map((line) => JSON.parse(line) as GreedyText);

const { model, device } = options;
if (device !== 'cpu' && device !== 'webgpu' && device !== 'cuda')
  throw new Error(`--device is cpu, webgpu or cuda, not ${device}`);
prepareEnvironment({ device });
/** float32 first: the others are compared with it. */
const typesOf = { cpu: CPU_WEIGHTS, webgpu: ['float32', 'float16'], cuda: ['float32'] } as const;
const types = typesOf[device];
type WeightType = (typeof types)[number];
const engines = new Map<WeightType, Engine>();
let name = '';
for (const weights of types) {
  const cache = defaultModelCache();
  const opened = await openEngine({ model, cache, weights, slots: 16, threads: 0, device });
  engines.set(weights, opened.engine);
  name = opened.device;
}
const quality = new Map<WeightType, Awaited<ReturnType<typeof measureQuality>>>();
for (const [weights, engine] of engines) quality.set(weights, await measureQuality(engine, texts));
const float32 = quality.get('float32')?.logProbability as number;
const times = new Map<WeightType, number[]>(types.map((weights) => [weights, []]));
for (const [batch, rows] of steps) {
  const taken = await timeSteps(batch, rows);
  for (const [weights, milliseconds] of taken) times.get(weights)?.push(milliseconds);
}
const results = types.map((weights) => {
  const { equalTokens, equalTexts, logProbability } = quality.get(weights) as {
    equalTokens: number;
    equalTexts: number;
    logProbability: number;
  };
  return {
    weights,
    equalTokens: Number(equalTokens.toFixed(4)),
    equalTexts: Number(equalTexts.toFixed(4)),
    logProbabilityDifference: Number((logProbability - float32).toFixed(4)),
    stepMilliseconds: Object.fromEntries(
      steps.map(([batch, rows], at) => [
        `${batch}x${rows}`,
        Number((times.get(weights)?.[at] ?? 0).toFixed(2)),
      ]),
    ),
  };
});
const columns = steps.map(([batch, rows]) => `${batch}x${rows}`.padStart(8)).join('');
process.stderr.write(`weights   equal tokens  equal texts  log-probability${columns} (ms a step)\n`);
for (const { weights, equalTokens, equalTexts, logProbabilityDifference, stepMilliseconds } of results) {
  process.stderr.write(
    `${weights.padEnd(10)}${`${(equalTokens * 100).toFixed(2)}%`.padStart(12)}${`${(equalTexts * 100).toFixed(1)}%`.padStart(13)}` +
      `${logProbabilityDifference.toFixed(4).padStart(17)}` +
      `${Object.values(stepMilliseconds)
        .map((time) => time.toFixed(2).padStart(8))
        .join('')}\n`,
  );
}
const processors = cpus();
process.stdout.write(
  `${JSON.stringify({
    machine: `${processors.length} x ${processors[0]?.model.trim() ?? process.arch}`,
    device: name,
    model,
    date: new Date().toISOString().slice(0, 10),
    command: ['node dist/tests/bench/weights.js', ...process.argv.slice(2)].join(' '),
    results,
  })}\n`,
);
for (const engine of engines.values()) await engine.close();

/** Medians of a step's time in the model, the weight types in turns, there and back. */
async function timeSteps(batch: number, rows: number): Promise<Map<WeightType, number>> {
  const prompt = Int32Array.from({ length: Number(options.context) }, (_, at) => 10 + (at % 500));
  const tokens = Int32Array.from({ length: rows }, (_, row) => 20 + row);
  const tree = { tokens, parents: Int32Array.from(tokens, (_, row) => row - 1) };
  const inputs = Array.from({ length: batch }, (_, slot) => ({ slot, tree }));
  for (const engine of engines.values()) {
    for (let slot = 0; slot < batch; slot++) await engine.admit(slot, prompt);
  }
  const taken = new Map<WeightType, number[]>(types.map((weights) => [weights, []]));
  for (let turn = -1; turn < Number(options.turns); turn++) {
    const order = turn % 2 === 0 ? [...engines] : [...engines].toReversed();
    for (const [weights, engine] of order) {
      const before = engine.modelTime.steps;
      await engine.step(inputs, 2);
      // the first one finds memory for its shapes
      if (turn >= 0) taken.get(weights)?.push(engine.modelTime.steps - before);
    }
  }
  for (const engine of engines.values()) for (let slot = 0; slot < batch; slot++) engine.release(slot);
  return new Map([...taken].map(([weights, all]) => [weights, median(all)]));
}
