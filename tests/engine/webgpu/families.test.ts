/** Models of every family on a GPU: verdicts on prompts and trees of 1 to 40 rows are those of the CPU. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Engine } from '../../../src/engine/engine.js';
import { DareError } from '../../../src/errors.js';
import { references } from '../../model/fixture.js';
import { stepBoth } from './compare.js';
import {
  hasGpu,
  type LlamaSizes,
  llama,
  openGpu,
  smallest,
  someIds,
  someTree,
  withEngines,
  withoutGpu,
  writeFamily,
} from './fixture.js';

const gpuTest = hasGpu ? test : test.skip;
if (!hasGpu) test('nothing without a GPU', withoutGpu);

/** Prompts of several lengths at once, with wide trees; then again with few rows, upon what was kept. */
async function compare(gpu: Engine, cpu: Engine, vocabulary: number, topK: number): Promise<void> {
  const prompts = [1, 40, 7].map((count, i) => someIds(count, vocabulary, i + 1));
  const last = prompts.map((ids) => ids.at(-1) as number);
  for (const engine of [gpu, cpu]) for (const [slot, ids] of prompts.entries()) await engine.admit(slot, ids);
  const sizes = [40, 1, 6];
  for (const [round, rows] of [sizes, [3, 2, 5]].entries()) {
    const inputs = rows.map((count, slot) => ({
      slot,
      tree: someTree(last[slot] as number, count, vocabulary, slot + 1),
    }));
    await stepBoth(gpu, cpu, inputs, topK, round === 0, `round ${round}`);
    inputs.forEach(({ slot, tree }) => {
      // a branch of the tree, from the root down to its last row
      const path: number[] = [];
      for (let at = tree.tokens.length - 1; at >= 0; at = tree.parents[at] as number) path.unshift(at);
      for (const engine of [gpu, cpu]) engine.keep(slot, path);
      last[slot] = tree.tokens[1] ?? 5;
    });
  }
}

for (const model of references.cases) {
  if (model.name.startsWith('gemma')) continue;
  gpuTest(`${model.name}: the same verdicts as on the CPU`, async () => {
    await withEngines(writeFamily(model), 3, (gpu, cpu) => compare(gpu, cpu, 256, 5));
  });
}

const shapes: readonly Partial<LlamaSizes>[] = [
  {},
  ...[48, 64, 128, 256].map((headSize) => ({ headSize })),
  { heads: 16, headSize: 32 },
  { heads: 32, kvHeads: 1 },
  { heads: 9, kvHeads: 3, vocabulary: 1001 },
  { hidden: 80, intermediate: 272, kvHeads: 2 },
];
for (const shape of shapes) {
  gpuTest(`sizes ${JSON.stringify(shape)}: the same verdicts as on the CPU`, async () => {
    const sizes = { ...smallest, ...shape };
    await withEngines(writeFamily(llama(sizes)), 3, (gpu, cpu) => compare(gpu, cpu, sizes.vocabulary, 3));
  });
}

for (const topK of [2, 3, 65]) {
  gpuTest(`the ${topK} best of a vocabulary of 67`, async () => {
    await withEngines(writeFamily(llama(smallest)), 3, (gpu, cpu) => compare(gpu, cpu, 67, topK));
  });
}

const gemma = references.cases.find(({ name }) => name === 'gemma3');
const refused = [
  ['Gemma', gemma, /can't run on a GPU: the kernels have no Gemma layers/],
  ['a size of 40', llama({ ...smallest, hidden: 40 }), /its sizes are no multiples of 16/],
  ['33 heads for one', llama({ ...smallest, heads: 33 }), /more than 32 query heads share keys and values/],
  [
    '32 heads of 512',
    llama({ ...smallest, heads: 32, headSize: 512 }),
    /bytes of memory a workgroup: too few for 32 query heads of 512/,
  ],
] as const;
for (const [what, model, says] of refused) {
  gpuTest(`${what} is refused`, async () => {
    assert.ok(model);
    const path = writeFamily(model);
    try {
      await openGpu(path, 1);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, DareError);
      assert.is((error as DareError).exitCode, 2);
      assert.match((error as DareError).message, says);
      assert.match(String((error as DareError).hint), /Set model.device to cpu/);
    }
  });
}

test.run();
