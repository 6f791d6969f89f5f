import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeEscapes,
  encodeEscapes,
  escapeClass,
  escapeClasses,
  usualEscapes,
} from '../../src/pool/escape.js';
import { Followers } from '../../src/pool/ngrams.js';

function after(counts: readonly number[]): Followers {
  const followers = new Followers(8);
  followers.size = followers.distinct = counts.length;
  followers.counts.set(counts);
  followers.total = counts.reduce((sum, count) => sum + count, 0);
  return followers;
}

test('classes: within bounds, none for two kinds of contexts', () => {
  const shapes = [[1], [2], [19, 1], [7, 3], [1, 1], [1, 2, 1, 1, 1], [1000], [900, 500], [3, 1, 200]];
  const seen = new Map<number, string>();
  for (let source = 0; source < 3; source++) {
    for (const length of [0, 1, 6, 7, 40]) {
      for (const counts of shapes) {
        const at = escapeClass(source, length, after(counts));
        assert.ok(Number.isInteger(at) && at >= 0 && at < escapeClasses, String(at));
        const kind = JSON.stringify([source, Math.min(7, length), counts]);
        assert.is(seen.get(at) ?? kind, kind);
        seen.set(at, kind);
      }
    }
  }
});

test('usual escapes: less from what was seen often, and from what is clear', () => {
  const usual = (counts: number[]) => usualEscapes[escapeClass(1, 3, after(counts))] as number;
  assert.ok(usual([64]) < usual([2]));
  assert.ok(usual([2]) < usual([1, 1]));
  assert.ok(usual([40, 40]) < usual([1, 1]));
  assert.ok(usual([99, 1]) < usual([50, 50]));
});

test('weights of a file: back as they were, to their precision', () => {
  const weights = encodeEscapes(usualEscapes);
  const read = decodeEscapes(weights);
  assert.equal(encodeEscapes(read), weights);
  for (const [i, escape_] of read.entries())
    assert.ok(Math.abs(escape_ - (usualEscapes[i] as number)) < 1e-4);
  assert.equal(encodeEscapes(usualEscapes.map(() => 0)).slice(0, 1), [1], 'never zero');
});

test('weights of a file: what is none', () => {
  const weights = encodeEscapes(usualEscapes);
  assert.throws(() => decodeEscapes(weights.slice(1)), /weights/);
  assert.throws(() => decodeEscapes([0, ...weights.slice(1)]), /a weight is 0/);
  assert.throws(() => decodeEscapes([Number.NaN, ...weights.slice(1)]), /a weight is NaN/);
});

test.run();
