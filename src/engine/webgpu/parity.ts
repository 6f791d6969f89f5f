/** Before a GPU decodes for the first time, its numbers are compared with those of plain TypeScript on a few tokens. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runError } from '../../errors.js';
import type { DecoderShape } from '../../model/config.js';
import type { ModelSource } from '../../model/source.js';
import type { Engine, TreeRows } from '../engine.js';
import { referenceLogProbabilities } from '../reference.js';
import type { GpuDevice } from './device.js';
import { kernelFolder } from './kernels.js';

/**
 * Log-probabilities may differ by this much, in nats. A broken kernel differs by whole nats; float16 sums of large models
 * differ by hundredths.
 */
const tolerance = { half: 0.15, single: 1e-2 };
/** Rows of the wide tree: more than the kernels for few rows take. */
const wideRows = 24;
/** Cached columns that make attention divide its work and join it again. */
const manyColumns = 70;
/** Multiplications of the plain decoder, which does about a thousand million a second: a larger model is checked on fewer columns. */
const mostProducts = 1e10;

/**
 * Checks the engine once per device, driver, model and kernels; a stamp in the cache folder says that it passed.
 * The engine's slots must be free. Throws runError when the numbers differ.
 */
export async function checkParity(
  engine: Engine,
  gpu: GpuDevice,
  source: ModelSource,
  cache: string,
): Promise<void> {
  const folder = join(cache, 'parity');
  const stamp = join(folder, `${stampOf(gpu, engine.fingerprint)}.json`);
  if (existsSync(stamp)) return;
  const worst = await largestDifference(engine, source);
  const limit = gpu.half ? tolerance.half : tolerance.single;
  // NaN must fail too
  if (!(worst <= limit)) {
    throw runError(
      `The GPU ${gpu.name} computes ${source.path} wrongly: log-probabilities differ by ${worst.toPrecision(3)} nats from the CPU's, expected at most ${limit}`,
      'Its driver may be broken: update it, choose another adapter (model.adapter), or set model.device to cpu.',
    );
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(stamp, JSON.stringify({ gpu: gpu.name, model: source.path, difference: worst }));
}

/** Largest difference of a log-probability, over a tree of few rows behind a prompt, and one of many behind two tokens. */
async function largestDifference(engine: Engine, source: ModelSource): Promise<number> {
  const { vocabulary } = source.shape;
  const token = (i: number) => (i * 7919 + 11) % vocabulary;
  let worst = 0;
  for (const { columns, rows } of [
    { columns: promptColumns(source.shape), rows: 3 },
    { columns: 2, rows: wideRows },
  ]) {
    const prompt = Int32Array.from({ length: columns + 1 }, (_, i) => token(i + 1));
    const tree = { tokens: new Int32Array(rows), parents: new Int32Array(rows).fill(0) };
    tree.tokens.forEach((_, i) => {
      tree.tokens[i] = i === 0 ? (prompt[columns] as number) : token(columns + 1 + i);
    });
    tree.parents[0] = -1;
    // row 2 stands below row 1, all others below row 0
    tree.parents[2] = 1;
    await engine.admit(0, prompt);
    const [verdicts] = await engine.step([{ slot: 0, tree }], 2);
    engine.release(0);
    if (verdicts === undefined) throw new Error('a step without verdicts');
    const expected = expectedRows(source, prompt, tree);
    for (let row = 0; row < expected.length; row++) {
      const logs = expected[row] as Float64Array;
      for (const rank of [0, 1]) {
        const log = logs[verdicts.token(row, rank)] as number;
        worst = Math.max(worst, Math.abs(Math.log(verdicts.probability(row, rank)) - log));
      }
      // the device's best must be a best one: its log-probability can't lie far below
      const best = logs.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
      worst = Math.max(worst, best - (logs[verdicts.token(row, 0)] as number));
    }
  }
  return worst;
}

function promptColumns({
  context,
  layers,
  hidden,
  heads,
  kvHeads,
  headSize,
  intermediate,
}: DecoderShape): number {
  const attention = hidden * headSize * 2 * (heads + kvHeads);
  const affordable = Math.floor(mostProducts / (layers * (attention + 3 * hidden * intermediate)));
  return Math.max(2, Math.min(manyColumns, affordable, context - 2 * wideRows));
}

/** Reference rows of the tree's first three: the others are siblings that must not disturb them. */
function expectedRows(source: ModelSource, prompt: Int32Array, tree: TreeRows): Float64Array[] {
  const before = prompt.length - 1;
  const tokens = Int32Array.from([...prompt.subarray(0, before), ...tree.tokens.subarray(0, 3)]);
  const parents = Int32Array.from([
    ...Array.from({ length: before }, (_, i) => i - 1),
    ...[...tree.parents.subarray(0, 3)].map((parent) => (parent < 0 ? before - 1 : parent + before)),
  ]);
  return referenceLogProbabilities(source, { tokens, parents }, before);
}

function stampOf(gpu: GpuDevice, fingerprint: string): string {
  const hash = createHash('sha256').update(JSON.stringify([gpu.name, gpu.half, gpu.matrices, fingerprint]));
  for (const file of readdirSync(kernelFolder).sort()) hash.update(readFileSync(join(kernelFolder, file)));
  return hash.digest('hex').slice(0, 32);
}
