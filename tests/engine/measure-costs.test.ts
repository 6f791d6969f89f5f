/** Measuring on an engine whose steps say for themselves how long they took. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Engine, StepInput } from '../../src/engine/engine.js';
import { measureCosts, minima, prolong } from '../../src/engine/measure-costs.js';

/** Milliseconds for a step: a large constant, a part for each row, and for each place of the longest sequence. */
const cost = { step: 100_000, row: 1000, place: 100 };

class ClockedEngine implements Engine {
  readonly context = 1024;
  readonly hiddenSize = 0;
  readonly fingerprint = '';
  readonly nearTieMargin = 0;
  readonly usualRows = 64;
  readonly usualColumns = 256;
  readonly modelTime = { prefill: 0, steps: 0 };
  readonly taken = new Set<number>();
  readonly asked: number[][] = [];

  /** @param share of the times above */
  constructor(
    readonly slots: number,
    private readonly share = 1,
  ) {}

  async admit(slot: number): Promise<void> {
    assert.not(this.taken.has(slot));
    this.taken.add(slot);
  }

  async step(inputs: readonly StepInput[]): Promise<[]> {
    assert.is(inputs.length, this.taken.size, 'every admitted slot takes part');
    const rows = inputs.map(({ tree }) => tree.tokens.length);
    this.asked.push(rows);
    const all = rows.reduce((sum, count) => sum + count, 0);
    const empty = inputs.length * Math.max(...rows) - all;
    this.modelTime.steps += this.share * (cost.step + cost.row * all + cost.place * empty);
    return [];
  }

  keep(): void {}

  release(slot: number): void {
    this.taken.delete(slot);
  }

  async close(): Promise<void> {}
}

test('the times are those that the engine says', async () => {
  const engine = new ClockedEngine(6);
  const { batch, rows, milliseconds, padding } = await measureCosts(engine, false);
  assert.equal(rows, [1, 2, 4, 8, 16, 32, 64]);
  // a slow model: every second batch, and the last
  assert.equal(batch, [1, 4, 6]);
  batch.forEach((texts, b) => {
    const expected = rows.map((count) => cost.step + cost.row * texts * count);
    // longer steps than can pay are not run, but prolonged: these costs are a line
    assert.equal(milliseconds[b], expected);
  });
  assert.ok(Math.abs((padding ?? 0) - cost.place) < 1e-6);
  assert.is(engine.taken.size, 0, 'all slots are free again');
});

test('an engine is slow whose steps stay slow: the first ones compile kernels', async () => {
  const engine = new ClockedEngine(6, 1e-5);
  const step = engine.step.bind(engine);
  engine.step = async (inputs) => {
    if (engine.asked.length < 14) engine.modelTime.steps += 50;
    return step(inputs);
  };
  const { batch, milliseconds } = await measureCosts(engine, false);
  assert.equal(batch, [1, 2, 4, 6]);
  assert.ok(Math.abs((milliseconds[0]?.[0] as number) - 1.01) < 1e-9, 'the time without kernels');
});

test('an engine that packs trees has no empty places', async () => {
  const engine = Object.assign(new ClockedEngine(4), { packsTrees: true });
  assert.is((await measureCosts(engine, false)).padding, 0);
  assert.ok(
    engine.asked.every((rows) => new Set(rows).size === 1),
    'nor steps that would time them',
  );
});

test('a step that other programs lengthened while it was measured stands as it is', async () => {
  const engine = new ClockedEngine(4);
  // all times of its first measuring
  let disturbed = 2;
  const step = engine.step.bind(engine);
  engine.step = async (inputs) => {
    const result = await step(inputs);
    if (inputs.length === 4 && inputs.every(({ tree }) => tree.tokens.length === 8) && disturbed-- > 0)
      engine.modelTime.steps += 10 * cost.step;
    return result;
  };
  const { batch, rows, milliseconds } = await measureCosts(engine, false);
  assert.ok(disturbed < 0);
  batch.forEach((texts, b) => {
    assert.equal(
      milliseconds[b],
      rows.map((count) => cost.step + cost.row * texts * count),
    );
  });
});

test('steps that cannot pay are not run', async () => {
  const engine = new ClockedEngine(16);
  await measureCosts(engine, false);
  assert.not(engine.asked.some((rows) => rows.length === 16 && rows.every((count) => count > 8)));
});

test('a step on own threads takes no longer than they were at work: the rest was other programs', async () => {
  const { milliseconds } = await measureCosts(new ClockedEngine(2), true);
  // these steps do nothing: a thousand times less than they say
  assert.ok(milliseconds.every((line) => line.every((value) => value < cost.step / 1000)));
});

test('of several times the shortest counts, and lines go on as far as they are needed', () => {
  assert.equal(minima([3, 5], [4, 2, 9]), [3, 2, 9]);
  assert.equal(minima([], [4]), [4]);
  assert.equal(prolong([2, 4, 8], [1, 2, 4, 8]), [2, 4, 8, 16]);
  assert.equal(prolong([4, 3], [1, 2, 4]), [4, 3, 3]);
  assert.equal(prolong([5], [1]), [5]);
});

test.run();
