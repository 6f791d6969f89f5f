import * as assert from 'uvu/assert';
import { CpuEngine } from '../../src/engine/cpu.js';
import type { Verdicts } from '../../src/engine/engine.js';
import { type FamilyCase, references } from './fixture.js';

/** Largest difference of a log-probability from the reference, in nats. */
const tolerance = 1e-4;
const prompt = Int32Array.from(references.prompt);
const tree = {
  tokens: Int32Array.from(references.tree.tokens),
  parents: Int32Array.from(references.tree.parents),
};

/** That the engine, with the model at `path`, computes what transformers does: over a tree, and greedily. */
export async function checkParity(model: FamilyCase, path: string, cache: string): Promise<void> {
  const engine = await CpuEngine.open({ model: path, cache, slots: 2, threads: 1 });
  await engine.admit(0, prompt);
  const [verdicts] = (await engine.step([{ slot: 0, tree }], 5)) as [Verdicts];
  model.top5.forEach((top, row) => {
    top.forEach(([token, logProbability], rank) => {
      const where = `${model.name}, row ${row}, rank ${rank}`;
      assert.is(verdicts.token(row, rank), token, where);
      const difference = Math.abs(Math.log(verdicts.probability(row, rank)) - logProbability);
      assert.ok(difference < tolerance, `${where}: ${difference}`);
    });
  });
  engine.release(0);
  await engine.admit(1, prompt);
  let last = prompt.at(-1) as number;
  for (const [place, token] of model.greedy.entries()) {
    const one = { tokens: Int32Array.of(last), parents: Int32Array.of(-1) };
    const [next] = (await engine.step([{ slot: 1, tree: one }], 2)) as [Verdicts];
    last = next.token(0, 0);
    assert.is(last, token, `${model.name}, greedy token ${place}`);
    engine.keep(1, [0]);
  }
  await engine.close();
}
