/** The sample model on a GPU: texts equal those of Hugging Face transformers. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { StepInput, Verdicts } from '../../../src/engine/engine.js';
import { modelFolder, type Reference, references } from '../../decode/fixture.js';
import { hasGpu, openGpu, tolerance, withoutGpu } from './fixture.js';

const gpuTest = hasGpu ? test : test.skip;
if (!hasGpu) test('nothing without a GPU', withoutGpu);

/** Decisions of the model that the order of additions can't turn. */
const clear = references.filter(({ min_margin: margin }) => margin >= tolerance);
const few = [...clear.slice(0, 1), ...clear.slice(-1)];
/** Tokens that are decoded one by one; the others are verified as a draft. */
const single = 3;

gpuTest('greedy texts of two prompts at once, first token by token, then as one draft', async () => {
  const engine = await openGpu(modelFolder, few.length);
  const outputs: number[][] = few.map(() => []);
  const step = async (rows: (slot: number) => number[]): Promise<Verdicts[]> => {
    const inputs: StepInput[] = few.map((_, slot) => {
      const tokens = Int32Array.from(rows(slot));
      return { slot, tree: { tokens, parents: tokens.map((_, i) => i - 1) } };
    });
    return engine.step(inputs, 5);
  };
  for (const [slot, { prompt_ids: ids }] of few.entries()) await engine.admit(slot, Int32Array.from(ids));
  for (let i = 0; i < single; i++) {
    const verdicts = await step((slot) => [
      outputs[slot]?.at(-1) ?? ((few[slot] as Reference).prompt_ids.at(-1) as number),
    ]);
    for (const [slot, { first_step_top5: top }] of few.entries()) {
      const verdict = verdicts[slot] as Verdicts;
      outputs[slot]?.push(verdict.token(0, 0));
      engine.keep(slot, [0]);
      if (i > 0) continue;
      for (const [rank, [token, log]] of top.entries()) {
        assert.is(verdict.token(0, rank), token, `rank ${rank}`);
        assert.ok(Math.abs(Math.log(verdict.probability(0, rank)) - log) < tolerance, `rank ${rank}`);
      }
    }
  }
  const rest = await step((slot) => (few[slot] as Reference).output_ids.slice(single - 1, -1));
  for (const [slot, { id, output_ids: expected }] of few.entries()) {
    assert.equal(outputs[slot], expected.slice(0, single), id);
    const verified = expected.slice(single).map((_, row) => (rest[slot] as Verdicts).token(row, 0));
    assert.equal(verified, expected.slice(single), id);
  }
  await engine.close();
});

test.run();
