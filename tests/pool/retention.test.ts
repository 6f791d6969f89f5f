/** What stays in pools with a cap, against the definition applied to all documents at once. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BalancedDocuments, Retention } from '../../src/pool/retention.js';

const tokensOf = (documents: readonly Int32Array[]) => documents.reduce((sum, { length }) => sum + length, 0);

/** A document that can be told from the others: it holds its own number. */
const documentOf = (number: number, length: number) => new Int32Array(length).fill(number);

/** The longest beginning of the ranked documents that fits, those that never fit passed over. */
function longestBeginning(documents: readonly Int32Array[], maxTokens: number): Int32Array[] {
  const kept: Int32Array[] = [];
  for (const document of documents) {
    if (document.length > maxTokens) continue;
    if (tokensOf(kept) + document.length > maxTokens) return kept;
    kept.push(document);
  }
  return kept;
}

const offers = fc.array(
  fc.record({ length: fc.integer({ min: 1, max: 9 }), score: fc.integer({ min: 0, max: 5 }) }),
);

test('the best that fit are kept, best first, in whatever order they are offered', () => {
  fc.assert(
    fc.property(offers, fc.integer({ min: 1, max: 30 }), (list, maxTokens) => {
      const documents = list.map(({ length }, i) => documentOf(i, length));
      const retention = new Retention(maxTokens);
      for (const [i, { score }] of list.entries()) retention.offer(documents[i] as Int32Array, score);
      const ranked = list
        .map(({ score }, i) => ({ score, i }))
        .sort((a, b) => b.score - a.score || a.i - b.i);
      const expected = longestBeginning(
        ranked.map(({ i }) => documents[i] as Int32Array),
        maxTokens,
      );
      assert.equal(retention.documents(), expected);
    }),
  );
});

test('what is not wanted would not be kept', () => {
  fc.assert(
    fc.property(offers, fc.integer({ min: 1, max: 30 }), (list, maxTokens) => {
      const all = new Retention(maxTokens);
      const asked = new Retention(maxTokens);
      for (const [i, { length, score }] of list.entries()) {
        all.offer(documentOf(i, length), score);
        if (asked.wants(score)) asked.offer(documentOf(i, length), score);
      }
      assert.equal(asked.documents(), all.documents());
    }),
  );
});

test('without documents, and with one that is larger than the cap', () => {
  assert.equal(new Retention(5).documents(), []);
  const retention = new Retention(5);
  retention.offer(documentOf(0, 6), 9);
  assert.equal(retention.documents(), []);
  retention.offer(documentOf(1, 5), 1);
  assert.equal(retention.documents(), [documentOf(1, 5)]);
});

/** The largest number of tokens a group may have with which all groups fit, tried from above. */
function balanced(groups: readonly Int32Array[][], maxTokens: number): Int32Array[] {
  for (let most = tokensOf(groups.flat()); ; most--) {
    const kept = groups.flatMap((group) => {
      const beginning: Int32Array[] = [];
      for (const document of group) {
        if (tokensOf(beginning) + document.length > most) break;
        beginning.push(document);
      }
      return beginning;
    });
    if (tokensOf(kept) <= maxTokens) return kept;
  }
}

const lengths = fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 8 }), { maxLength: 6 });

test('the shared pool takes as much from every cohort, whatever their order', () => {
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 60 }), (sizes, maxTokens) => {
      const groups = sizes.map((group, g) => group.map((length, i) => documentOf(100 * g + i, length)));
      const build = (list: readonly Int32Array[][]) => {
        const shared = new BalancedDocuments(maxTokens);
        for (const group of list) shared.add(group);
        return shared.documents();
      };
      const number = (documents: readonly Int32Array[]) => documents.map(([first]) => first).sort();
      assert.equal(build(groups), balanced(groups, maxTokens));
      assert.equal(number(build([...groups].reverse())), number(build(groups)));
    }),
  );
});

test('a small cohort leaves its room to the larger ones; without a cap all is kept', () => {
  const group = (g: number, count: number) =>
    Array.from({ length: count }, (_, i) => documentOf(100 * g + i, 1));
  const groups = [group(1, 20), group(2, 2), group(3, 20)];
  const shared = new BalancedDocuments(12);
  const everything = new BalancedDocuments();
  for (const documents of groups) {
    shared.add(documents);
    everything.add(documents);
  }
  const firsts = shared.documents().map(([first]) => Math.floor((first as number) / 100));
  assert.equal(firsts, [1, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3]);
  assert.is(everything.documents().length, 42);
});

test.run();
