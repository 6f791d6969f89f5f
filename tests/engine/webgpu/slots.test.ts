/** Sequences in slots of a GPU: whatever happens in the others, each gets what it gets alone on a CPU. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Engine, StepInput, TreeRows, Verdicts } from '../../../src/engine/engine.js';
import { type FamilyCase, references } from '../../model/fixture.js';
import { assertSameVerdicts } from './compare.js';
import {
  hasGpu,
  llama,
  openCpu,
  openGpu,
  smallest,
  someIds,
  someTree,
  withoutGpu,
  writeFamily,
} from './fixture.js';

const gpuTest = hasGpu ? test : test.skip;
if (!hasGpu) test('nothing without a GPU', withoutGpu);

/** A GPU engine, and beside it the ids of its sequences, from which a CPU engine computes each of them anew. */
class Run {
  /** Cached ids of each slot and the one that is row 0 of its next step. */
  readonly sequences = new Map<number, number[]>();

  constructor(
    readonly gpu: Engine,
    private readonly cpu: Engine,
  ) {}

  static async with(model: FamilyCase, slots: number, work: (run: Run) => Promise<void>): Promise<void> {
    const path = writeFamily(model);
    const cpu = await openCpu(path, 1);
    const gpu = await openGpu(path, slots);
    try {
      await work(new Run(gpu, cpu));
    } finally {
      await gpu.close();
      await cpu.close();
    }
  }

  async admit(slot: number, ids: Int32Array): Promise<void> {
    await this.gpu.admit(slot, ids);
    this.sequences.set(slot, [...ids]);
  }

  release(slot: number): void {
    this.gpu.release(slot);
    this.sequences.delete(slot);
  }

  /** A step of all sequences; each tree's verdicts must be those of its sequence alone. */
  async step(treeOf: (slot: number, ids: readonly number[]) => TreeRows, topK = 3): Promise<StepInput[]> {
    const inputs = [...this.sequences].map(([slot, ids]) => ({ slot, tree: treeOf(slot, ids) }));
    const verdicts = await this.gpu.step(inputs, topK);
    for (const [i, { slot, tree }] of inputs.entries()) {
      await this.cpu.admit(0, Int32Array.from(this.sequences.get(slot) as number[]));
      const [expected] = (await this.cpu.step([{ slot: 0, tree }], topK)) as [Verdicts];
      const compared = { topK, logits: false };
      assertSameVerdicts(verdicts[i] as Verdicts, expected, tree, compared, `slot ${slot}`);
      this.cpu.release(0);
    }
    return inputs;
  }

  /** Keeps the path to a row of the last step's tree; `next` follows it. */
  keep({ slot, tree }: StepInput, row: number, next: number): void {
    const path: number[] = [];
    for (let at = row; at >= 0; at = tree.parents[at] as number) path.unshift(at);
    this.gpu.keep(slot, path);
    const ids = this.sequences.get(slot) as number[];
    ids.push(...path.slice(1).map((at) => tree.tokens[at] as number), next);
  }
}

interface Event {
  /** Slots that are freed and filled before the step: 0 nothing, 1 freed, 2 filled if free, 3 filled anew. */
  changes: number[];
  lengths: number[];
  shared: boolean;
  /** Rows of each slot's tree, and where each row hangs. */
  rows: number[];
  parents: number[];
  keep: number[];
}

const slots = 4;
const each = <T>(values: fc.Arbitrary<T>) => fc.array(values, { minLength: slots, maxLength: slots });
const event: fc.Arbitrary<Event> = fc.record({
  changes: each(fc.nat(3)),
  lengths: each(fc.oneof(fc.integer({ min: 1, max: 128 }), fc.constantFrom(1, 2, 127, 128))),
  shared: fc.boolean(),
  rows: each(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(1, 2, 5))),
  parents: fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
  keep: each(fc.nat(39)),
});

/** A tree whose rows stay within the context. */
function drawnTree(last: number, rows: number, drawn: readonly number[], depth: number): TreeRows {
  const tokens = someIds(rows, 256, 7);
  tokens[0] = last;
  const parents = new Int32Array(rows).fill(-1);
  const depths = new Int32Array(rows);
  for (let i = 1; i < rows; i++) {
    let parent = (drawn[i] as number) % i;
    while ((depths[parent] as number) >= depth) parent = parents[parent] as number;
    parents[i] = parent;
    depths[i] = (depths[parent] as number) + 1;
  }
  return { tokens, parents };
}

for (const name of ['llama', 'qwen3, tied, biases']) {
  const model = references.cases.find((known) => known.name === name) as FamilyCase;
  gpuTest(`${name}: random admissions, lengths, trees and ends`, async () => {
    await Run.with(model, slots, async (run) => {
      const { context } = run.gpu;
      let prompts = 0;
      const play = async ({ changes, lengths, shared, rows, parents, keep }: Event) => {
        for (const [slot, change] of changes.entries()) {
          if (change % 2 === 1 && run.sequences.has(slot)) run.release(slot);
          if (change < 2 || run.sequences.has(slot)) continue;
          await run.admit(slot, someIds(lengths[slot] as number, 256, shared ? 5 : prompts++));
        }
        if (run.sequences.size === 0) return;
        const inputs = await run.step((slot, ids) => {
          const room = context - ids.length;
          const most = room === 0 ? 1 : (rows[slot] as number);
          return drawnTree(ids.at(-1) as number, most, parents, room);
        });
        for (const input of inputs) {
          const ids = run.sequences.get(input.slot) as number[];
          run.keep(input, (keep[input.slot] as number) % input.tree.tokens.length, 9);
          if (ids.length > context) run.release(input.slot);
        }
      };
      await fc.assert(
        fc.asyncProperty(fc.array(event, { minLength: 2, maxLength: 6 }), async (events) => {
          for (const drawn of events) await play(drawn);
          for (const slot of [...run.sequences.keys()]) run.release(slot);
        }),
        // a failed run leaves slots taken, so that a smaller one can't be tried
        { numRuns: 6, endOnFailure: true },
      );
    });
  });
}

gpuTest('long prompts after short ones: the buffers grow in mid-run, and lose nothing', async () => {
  const model = llama({ ...smallest, context: 2048 });
  await Run.with(model, 3, async (run) => {
    const tree = (rows: number) => (slot: number, ids: readonly number[]) =>
      someTree(ids.at(-1) as number, rows, smallest.vocabulary, slot + 1);
    await run.admit(0, someIds(5, smallest.vocabulary, 1));
    for (const input of await run.step(tree(4))) run.keep(input, 3, 11);
    // 1,024 columns are reserved
    const long = someIds(1100, smallest.vocabulary, 2);
    await run.admit(1, long);
    for (const input of await run.step(tree(60), 2)) run.keep(input, 59, 12);
    // the same beginning, copied within the grown cache
    await run.admit(2, Int32Array.from([...long.subarray(0, 1090), 3, 4]));
    for (const input of await run.step(tree(3), 65)) run.keep(input, 2, 13);
    run.release(0);
    await run.step(tree(1));
  });
});

gpuTest('a prompt that went with its only step stays in its slot, for the prompts after it', async () => {
  await Run.with(llama(smallest), 3, async (run) => {
    const tree = (slot: number, ids: readonly number[]) =>
      someTree(ids.at(-1) as number, 6, smallest.vocabulary, slot + 1);
    const prompt = someIds(90, smallest.vocabulary, 1);
    await run.admit(0, prompt);
    await run.step(tree);
    run.release(0);
    // one that copies what it begins with, and one in its place that goes on differently
    await run.admit(1, Int32Array.from([...prompt.subarray(0, 70), 3, 4]));
    await run.admit(0, Int32Array.from([...prompt.subarray(0, 50), ...someIds(40, smallest.vocabulary, 2)]));
    for (const input of await run.step(tree)) run.keep(input, 5, 11);
    // both of the same slot, which has just got a row of its text
    await run.admit(2, Int32Array.from([...prompt.subarray(0, 60), 8]));
    await run.step(tree);
  });
});

gpuTest('a whole context, and not one token more', async () => {
  await Run.with(llama(smallest), 2, async (run) => {
    await run.admit(0, someIds(128, smallest.vocabulary, 1));
    // verdicts upon a tree that fills the context
    await run.admit(1, someIds(120, smallest.vocabulary, 2));
    const chain = (last: number, rows: number) => ({
      tokens: Int32Array.from({ length: rows }, (_, i) => (i === 0 ? last : i)),
      parents: Int32Array.from({ length: rows }, (_, i) => i - 1),
    });
    const inputs = await run.step((slot, ids) => chain(ids.at(-1) as number, slot === 0 ? 1 : 9));
    run.keep(inputs[1] as StepInput, 7, 5);
    run.release(0);
    await run.step((_, ids) => chain(ids.at(-1) as number, 1));
    run.release(1);
  });
});

gpuTest('a slot that is taken, an empty or too long prompt and a missing tree are refused', async () => {
  const engine = await openGpu(writeFamily(llama(smallest)), 2);
  await engine.admit(0, Int32Array.of(5, 6));
  const tree = { tokens: Int32Array.of(6), parents: Int32Array.of(-1) };
  for (const [attempt, says] of [
    [() => engine.admit(0, Int32Array.of(5)), /slot 0 isn't free/],
    [() => engine.admit(2, Int32Array.of(5)), /slot 2 isn't free/],
    [() => engine.admit(1, new Int32Array(0)), /0 ids don't fit/],
    [() => engine.admit(1, new Int32Array(129)), /129 ids don't fit/],
    [() => engine.step([], 2), /0 trees for 1 slots/],
    [() => engine.step([{ slot: 1, tree }], 2), /slot 1 is free/],
    [async () => engine.keep(0, [0]), /slot 0 took part in no step/],
    [async () => engine.release(1), /slot 1 is free already/],
  ] as const) {
    let message = 'nothing';
    await attempt().catch((error: Error) => {
      message = error.message;
    });
    assert.match(message, says);
  }
  await engine.step([{ slot: 0, tree }], 2);
  await engine.close();
});

test.run();
