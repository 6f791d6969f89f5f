import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { calibrate } from '../../src/draft/calibrate.js';
import { Drafter } from '../../src/draft/drafter.js';
import { PoolBuilder, poolKey, sharedKey } from '../../src/pool/builder.js';
import { openPool } from '../../src/pool/file.js';

const end = 0;
const vocabulary = 60;
const settings = { tokenizer: '', maxLength: 5, generationPrompt: Int32Array.of(1), endToken: end };

/** Mulberry32: the same texts on every machine. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Texts of a chain of order two whose rows are clear or open, in part the cohort's own: some contexts have one likely
 * successor, others many; rare ones are seen once or never.
 */
function textsOf(cohort: number, count: number, seed: number): number[][] {
  const draw = random(seed);
  const next = (a: number, b: number): number => {
    // what follows a context is drawn anew for each text, its distribution is not
    const row = random(a * 1009 + b * 9176 + ((a + b) % 3 === 0 ? cohort * 7919 : 0));
    const sureness = row() ** 2;
    const successors = Array.from({ length: 6 }, () => 2 + Math.floor(row() * (vocabulary - 2)));
    let at = 0;
    while (at < 5 && draw() > 0.3 + 0.7 * sureness) at++;
    return successors[at] as number;
  };
  return Array.from({ length: count }, () => {
    const text = [2 + Math.floor(draw() * 4), 2 + Math.floor(draw() * 4)];
    while (text.length < 30) text.push(next(text.at(-2) as number, text.at(-1) as number));
    return text;
  });
}

const builder = new PoolBuilder(settings, calibrate);
for (const cohort of [0, 1])
  for (const text of textsOf(cohort, 300, 17 + cohort)) builder.add('item', `${cohort}`, text, true);
const pools = new Map(builder.build().map(({ key, bytes }) => [key, openPool(bytes, key).pool]));

/** Sums by tenth of the estimated chance: nodes, chances, nodes that were accepted. */
function reliability(nodes: number, relaxed: boolean): { nodes: number; chance: number; accepted: number }[] {
  const table = Array.from({ length: 10 }, () => ({ nodes: 0, chance: 0, accepted: 0 }));
  const drafter = new Drafter(vocabulary, new Set([end]));
  for (const cohort of [0, 1]) {
    const [own, shared] = [pools.get(poolKey('item', `${cohort}`)), pools.get(sharedKey)];
    assert.ok(own !== undefined && shared !== undefined);
    for (const text of textsOf(cohort, 600, 99 + cohort)) {
      const answer = [...text, end];
      drafter.begin({ cohort: own, shared });
      drafter.append(1);
      for (let at = 0, last = 1; at < answer.length; ) {
        const { tokens, parents } = drafter.draft(last, { nodes, minPathProbability: 0, depth: 40, relaxed });
        const { gains } = drafter;
        const depths = [0];
        const accepted = [true];
        for (let row = 1; row < tokens.length; row++) {
          const parent = parents[row] as number;
          depths[row] = (depths[parent] as number) + 1;
          accepted[row] =
            accepted[parent] === true && answer[at + (depths[parent] as number)] === tokens[row];
          const chance = gains[row - 1] as number;
          const tenth = table[Math.min(9, Math.floor(chance * 10))] as (typeof table)[number];
          tenth.nodes++;
          tenth.chance += chance;
          if (accepted[row]) tenth.accepted++;
        }
        const longest = Math.max(...depths.filter((_, row) => accepted[row]));
        for (const token of answer.slice(at, at + longest + 1)) {
          drafter.append(token);
          last = token;
        }
        at += longest + 1;
      }
    }
  }
  return table;
}

for (const [nodes, mode, bound] of [
  [8, 'greedy', 5],
  [32, 'greedy', 5],
  [8, 'relaxed', 7],
  [32, 'relaxed', 7],
] as const) {
  test(`nodes are accepted as often as estimated, within ${bound} points in each tenth: ${nodes} nodes, ${mode}`, () => {
    const table = reliability(nodes, mode === 'relaxed');
    const judged = table.filter(({ nodes: count }) => count >= 600);
    assert.ok(judged.length >= 6, 'too few nodes to judge');
    const points = judged.map(({ nodes: count, chance, accepted }) => [
      Math.round((100 * chance) / count),
      Math.round((100 * accepted) / count),
    ]) as [number, number][];
    for (const [estimated, observed] of points)
      assert.ok(
        Math.abs(estimated - observed) <= bound,
        `estimated ${estimated}%, observed ${observed}%: ${points.join(' | ')}`,
      );
  });
}

test.run();
