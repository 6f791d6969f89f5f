import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CpuEngine } from '../../src/engine/cpu.js';
import type { TreeRows, Verdicts } from '../../src/engine/engine.js';
import { endToken, modelFolder, type Reference, references } from '../decode/fixture.js';
import { cache } from '../model-cache.js';

/** Decisions of the model that the shape of a batch may turn. */
const smallMargin = 1e-3;
const single = (token: number): TreeRows => ({ tokens: Int32Array.of(token), parents: Int32Array.of(-1) });
const open = (slots: number) => CpuEngine.open({ model: modelFolder, cache, slots, threads: 2 });

/** Tokens of a text, where nothing else is said. */
const longest = 300;

/** How texts share an engine. */
interface Schedule {
  /** Tokens of each text at most. */
  caps?: readonly number[];
  /** How many prompts are admitted at most before each step, over and over. */
  admissions?: readonly number[];
}

/** Greedy texts of the prompts, admitted as slots become free, at once unless the schedule says otherwise. */
async function decodeAll(
  engine: CpuEngine,
  prompts: readonly Reference[],
  { caps = [], admissions = [engine.slots] }: Schedule = {},
): Promise<number[][]> {
  const outputs: number[][] = prompts.map(() => []);
  const free = Array.from({ length: engine.slots }, (_, slot) => slot);
  const active = new Map<number, { place: number; last: number }>();
  let next = 0;
  for (let step = 0; next < prompts.length || active.size > 0; step++) {
    let admitted = admissions[step % admissions.length] as number;
    while (next < prompts.length && free.length > 0 && admitted-- > 0) {
      const slot = free.pop() as number;
      const ids = Int32Array.from((prompts[next] as Reference).prompt_ids);
      await engine.admit(slot, ids);
      active.set(slot, { place: next++, last: ids[ids.length - 1] as number });
    }
    if (active.size === 0) continue;
    const inputs = [...active].map(([slot, { last }]) => ({ slot, tree: single(last) }));
    const verdicts = await engine.step(inputs, 2);
    inputs.forEach(({ slot }, i) => {
      const sequence = active.get(slot) as { place: number; last: number };
      const token = (verdicts[i] as Verdicts).token(0, 0);
      const output = outputs[sequence.place] as number[];
      output.push(token);
      sequence.last = token;
      if (token === endToken || output.length >= (caps[sequence.place] ?? longest)) {
        engine.release(slot);
        active.delete(slot);
        free.push(slot);
      } else engine.keep(slot, [0]);
    });
  }
  return outputs;
}

for (const slots of [1, 16]) {
  test(`greedy texts equal the reference of all prompts, ${slots} at a time`, async () => {
    const engine = await open(slots);
    const outputs = await decodeAll(engine, references);
    assert.is(references.length, 36);
    references.forEach(({ id, output_ids: expected, min_margin: margin }, place) => {
      if (margin >= smallMargin) assert.equal(outputs[place], expected, id);
    });
    await engine.close();
  });
}

test('the first step gives the reference probabilities', async () => {
  const engine = await open(1);
  for (const { id, prompt_ids: ids, first_step_top5: top } of references) {
    await engine.admit(0, Int32Array.from(ids));
    const [verdicts] = (await engine.step([{ slot: 0, tree: single(ids.at(-1) as number) }], 5)) as [
      Verdicts,
    ];
    top.forEach(([token, logProbability], rank) => {
      assert.is(verdicts.token(0, rank), token, id);
      assert.ok(
        Math.abs(Math.log(verdicts.probability(0, rank)) - logProbability) < 1e-3,
        `${id}, rank ${rank}`,
      );
    });
    engine.release(0);
  }
  await engine.close();
});

test('a row of a tree gets the verdict that its path gets alone', async () => {
  const engine = await open(2);
  const prompt = references[0] as Reference;
  const ids = Int32Array.from(prompt.prompt_ids);
  const other = Int32Array.from((references[20] as Reference).prompt_ids);
  const last = ids[ids.length - 1] as number;
  const nodes = fc.array(fc.record({ token: fc.integer({ min: 3, max: 6000 }), parent: fc.nat() }), {
    minLength: 1,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(nodes, async (drawn) => {
      const tokens = Int32Array.from([last, ...drawn.map(({ token }) => token)]);
      const parents = Int32Array.from([-1, ...drawn.map(({ parent }, i) => parent % (i + 1))]);
      await engine.admit(0, other);
      await engine.admit(1, ids);
      // the other sequence has a smaller tree, so that one of the two is padded
      const inputs = [
        { slot: 1, tree: { tokens, parents } },
        { slot: 0, tree: single(other.at(-1) as number) },
      ];
      const [tree] = (await engine.step(inputs, 2)) as [Verdicts, Verdicts];
      const found = Array.from(tokens, (_, row) => [
        tree.logit(row, 0),
        tree.logit(row, 1),
        tree.ownProbability(row),
        tree.hidden(row)[0],
      ]);
      engine.release(0);
      engine.release(1);
      const row = tokens.length - 1;
      const path: number[] = [];
      for (let at = row; at > 0; at = parents[at] as number) path.unshift(tokens[at] as number);
      await engine.admit(0, Int32Array.from([...ids, ...path]));
      const [alone] = (await engine.step([{ slot: 0, tree: single(path.at(-1) as number) }], 2)) as [
        Verdicts,
      ];
      const [first, second, , state] = found[row] as [number, number, number, number];
      assert.ok(Math.abs(first - alone.logit(0, 0)) < 1e-3, `argmax ${first} ${alone.logit(0, 0)}`);
      assert.ok(Math.abs(second - alone.logit(0, 1)) < 1e-3);
      assert.ok(Math.abs(state - (alone.hidden(0)[0] as number)) < 1e-3);
      engine.release(0);
    }),
    { numRuns: 25 },
  );
  await engine.close();
});

test('a kept branch goes on as if it had been the prompt, also when another slot was released before', async () => {
  const engine = await open(3);
  const prompts = [0, 20, 10].map((at) => Int32Array.from((references[at] as Reference).prompt_ids));
  const last = (ids: Int32Array) => ids[ids.length - 1] as number;
  // 0 - 11 - 13 - 14 is the branch to keep; 12 is the other child of the root
  const branch = (ids: Int32Array): TreeRows => ({
    tokens: Int32Array.of(last(ids), 11, 12, 13, 14),
    parents: Int32Array.of(-1, 0, 0, 1, 3),
  });
  const [first, second, third] = prompts as [Int32Array, Int32Array, Int32Array];
  for (const [slot, ids] of prompts.entries()) await engine.admit(slot, ids);
  await engine.step(
    [
      { slot: 0, tree: single(last(first)) },
      { slot: 1, tree: branch(second) },
      { slot: 2, tree: branch(third) },
    ],
    2,
  );
  engine.release(0);
  engine.keep(1, [0, 1, 3]);
  engine.keep(2, [0, 2]);
  const after = await engine.step(
    [
      { slot: 1, tree: single(14) },
      { slot: 2, tree: single(14) },
    ],
    2,
  );
  const logits = after.map((verdicts) => verdicts.logit(0, 0));
  engine.release(1);
  engine.release(2);
  for (const [place, ids] of [
    [...second, 11, 13, 14],
    [...third, 12, 14],
  ].entries()) {
    await engine.admit(0, Int32Array.from(ids));
    const [alone] = (await engine.step([{ slot: 0, tree: single(14) }], 2)) as [Verdicts];
    const difference = Math.abs((logits[place] as number) - alone.logit(0, 0));
    assert.ok(difference < 1e-3, `sequence ${place}: ${difference}`);
    engine.release(0);
  }
  await engine.close();
});

test('random orders, lengths, slot counts and pauses give what each prompt gives alone', async () => {
  const few = references.filter(({ min_margin: margin }) => margin >= smallMargin).slice(0, 12);
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(few, { minLength: 3 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: few.length, maxLength: few.length }),
      fc.integer({ min: 1, max: 5 }),
      // none for a few steps, or several at once, but not never
      fc.array(fc.nat(3), { maxLength: 8 }).map((pauses) => [...pauses, 1]),
      async (order, caps, slots, admissions) => {
        const engine = await open(slots);
        const outputs = await decodeAll(engine, order, { caps, admissions });
        order.forEach(({ id, output_ids: expected }, place) => {
          assert.equal(outputs[place], expected.slice(0, caps[place]), id);
        });
        await engine.close();
      },
    ),
    { numRuns: 8 },
  );
});

test('the logits of each row are those that the verdicts rank, and come only when they are asked for', async () => {
  const engine = await open(2);
  const [first, second] = [0, 20].map((at) => Int32Array.from((references[at] as Reference).prompt_ids)) as [
    Int32Array,
    Int32Array,
  ];
  await engine.admit(0, first);
  await engine.admit(1, second);
  const tree: TreeRows = {
    tokens: Int32Array.of(second.at(-1) as number, 11, 12),
    parents: Int32Array.of(-1, 0, 0),
  };
  const inputs = [
    { slot: 1, tree },
    { slot: 0, tree: single(first.at(-1) as number) },
  ];
  const verdicts = await engine.step(inputs, 3, { logits: true });
  inputs.forEach(({ tree: { tokens, parents } }, i) => {
    const verdict = verdicts[i] as Verdicts;
    for (const [row, token] of tokens.entries()) {
      const logits = verdict.logits(row);
      const order = [...logits.keys()].sort((a, b) => (logits[b] as number) - (logits[a] as number));
      for (const rank of [0, 1, 2]) {
        assert.is(verdict.token(row, rank), order[rank]);
        assert.is(verdict.logit(row, rank), logits[order[rank] as number]);
      }
      if (row === 0) continue;
      const before = verdict.logits(parents[row] as number);
      const sum = before.reduce((total, logit) => total + Math.exp(logit), 0);
      const expected = Math.exp(before[token] as number) / sum;
      assert.ok(Math.abs(verdict.ownProbability(row) / expected - 1) < 1e-4);
    }
  });
  const [without] = (await engine.step(inputs, 3)) as [Verdicts, Verdicts];
  assert.throws(() => without.logits(0), /wasn't asked/);
  await engine.close();
});

test('a slot that is taken, an empty prompt and a missing tree are refused', async () => {
  const engine = await open(2);
  await engine.admit(0, Int32Array.of(5, 6));
  for (const [what, attempt] of [
    ['taken', () => engine.admit(0, Int32Array.of(5))],
    ['no such slot', () => engine.admit(2, Int32Array.of(5))],
    ['empty', () => engine.admit(1, new Int32Array(0))],
    ['too long', () => engine.admit(1, new Int32Array(engine.context + 1))],
    ['no tree', () => engine.step([], 2)],
    ['kept without a step', async () => engine.keep(0, [0])],
  ] as const) {
    let refused = false;
    await Promise.resolve(attempt()).catch(() => {
      refused = true;
    });
    assert.ok(refused, what);
  }
  await engine.close();
});

test.run();
