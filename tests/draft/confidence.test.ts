import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Confidence } from '../../src/draft/confidence.js';
import { Drafter } from '../../src/draft/drafter.js';
import { buildTrie } from '../../src/pool/build.js';
import { usualEscapes } from '../../src/pool/escape.js';
import { Pool } from '../../src/pool/trie.js';

/** A tree of two lines, 5 6 and 7, whose likeliest tokens are 5 (chance a half) and then 6 (four fifths). */
function plant(confidence: Confidence): void {
  confidence.start(4);
  confidence.expect(0, 5, 0.5);
  confidence.expect(1, 6, 0.8);
  confidence.follow({ tokens: Int32Array.of(1, 5, 6, 7), parents: Int32Array.of(-1, 0, 1, 0) });
}

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} instead of ${expected}`);

test('the lift is the excess of hits over their spread, held back by the prior', () => {
  const confidence = new Confidence();
  assert.is(confidence.lift, 0);
  plant(confidence);
  confidence.see(5);
  near(confidence.lift, 0.5 / (0.25 + 5));
  confidence.see(6);
  near(confidence.lift, 0.7 / (0.41 + 5));
  // row 2 has no estimate, and then the text has left the tree
  confidence.see(5);
  confidence.see(5);
  near(confidence.lift, 0.7 / (0.41 + 5));
  plant(confidence);
  // the second choice: a miss, and from its row on nothing is estimated
  confidence.see(7);
  confidence.see(6);
  near(confidence.lift, 0.2 / (0.66 + 5));
  confidence.clear();
  assert.is(confidence.lift, 0);
  confidence.see(5);
  assert.is(confidence.lift, 0, 'the tree of the sequence before');
});

test('the lift is bounded: certain misses, certain hits', () => {
  const confidence = new Confidence();
  for (let i = 0; i < 9; i++) {
    plant(confidence);
    confidence.see(4);
  }
  assert.is(confidence.lift, 0);
  for (let i = 0; i < 500; i++) {
    plant(confidence);
    confidence.see(5);
    confidence.see(6);
  }
  assert.is(confidence.lift, 0.9);
});

test('what drafts of a mode bring as a rule counts until more is seen', () => {
  const confidence = new Confidence();
  confidence.start(4, { lift: 0.6, weight: 2 });
  near(confidence.lift, 0.6);
  confidence.expect(0, 5, 0.5);
  confidence.follow({ tokens: Int32Array.of(1, 5), parents: Int32Array.of(-1, 0) });
  confidence.see(7);
  near(confidence.lift, (-0.5 + 2 * 0.6) / (0.25 + 2));
  confidence.clear();
  assert.is(confidence.lift, 0, 'of the sequence before');
});

test('a start with more rows than before keeps nothing', () => {
  const confidence = new Confidence();
  plant(confidence);
  confidence.start(1000);
  confidence.follow({ tokens: Int32Array.of(1, 5), parents: Int32Array.of(-1, 0) });
  confidence.see(5);
  assert.is(confidence.lift, 0);
});

test('trees grow deeper where first choices come true', () => {
  // after an even token comes the next even one in three texts of five, else the odd one between them
  const texts = Array.from({ length: 40 }, (_, i) => [2 * i, 2 * i + 2]).flatMap(([at, next]) => [
    ...Array.from({ length: 3 }, () => [at as number, next as number]),
    ...Array.from({ length: 2 }, () => [at as number, (at as number) + 1, next as number]),
  ]);
  const trusted = usualEscapes.map(() => 0.05);
  const shared = new Pool(buildTrie(texts, 2), 2, { escapes: trusted });
  const budget = { nodes: 14, minPathProbability: 0, depth: 100 };
  const depths = [true, false].map((drafting) => {
    const drafter = new Drafter(100, new Set());
    drafter.begin({ shared });
    // no token comes twice: the own text teaches nothing
    for (let token = 0; token <= 20; token += 2) {
      drafter.append(token);
      if (drafting) drafter.draft(token, budget);
    }
    const { parents } = drafter.draft(20, budget);
    const depthOf = (row: number): number => (row === 0 ? 0 : 1 + depthOf(parents[row] as number));
    return Math.max(...Array.from(parents.keys(), depthOf));
  });
  assert.ok((depths[0] as number) > (depths[1] as number), `${depths}`);
});

test.run();
