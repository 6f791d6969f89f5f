import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PoolMembers, sampleOf, toDocument } from '../../src/simulate/documents.js';
import { tokenizer } from '../decode/fixture.js';

const poolText = (text: string, entityId: string | null = null) => {
  return { text, entityType: 'item', entityId, cohort: 'a', promptId: null };
};

const recorded = (text: string, entityId: string | null) => ({
  ...poolText(text, entityId),
  framework: null,
  prompt: null,
  messages: null,
  finishReason: null,
  tokenIds: null,
  secondIds: null,
  secondCosts: null,
});

test('smaller samples are parts of larger ones, of texts that may be equal, in the order of all', () => {
  const texts = fc.array(fc.constantFrom('a', 'b', 'c', 'd e', 'f g h'), { maxLength: 12 });
  fc.assert(
    fc.property(texts, fc.nat({ max: 14 }), fc.nat({ max: 14 }), (all, one, other) => {
      const documents = all.map((text) => toDocument(poolText(text), tokenizer));
      const small = sampleOf(documents, Math.min(one, other));
      const large = sampleOf(documents, Math.max(one, other));
      assert.is(small.length, Math.min(one, other, all.length));
      assert.equal(
        large.filter((document) => small.includes(document)),
        small,
      );
      assert.equal(
        documents.filter((document) => large.includes(document)),
        large,
      );
    }),
  );
});

test('a sample depends on the texts, not on where they stand', () => {
  const texts = Array.from({ length: 40 }, (_, i) => poolText(`the text number ${i}`));
  const idsOf = (list: typeof texts) =>
    sampleOf(
      list.map((text) => toDocument(text, tokenizer)),
      10,
    )
      .map(({ ids }) => [...ids].join(' '))
      .sort();
  assert.equal(idsOf(texts.toReversed()), idsOf(texts));
});

test('members are known by their ids, else by their texts', () => {
  const withIds = new PoolMembers();
  withIds.add(poolText('x', '1'));
  assert.is(withIds.has(recorded('y', '1')), true);
  assert.is(withIds.has(recorded('x', '2')), false, 'two items may have the same text');
  assert.is(withIds.has(recorded('x', null)), true);
  assert.is(withIds.has({ ...recorded('y', '1'), entityType: 'user' }), false);
  const bare = new PoolMembers();
  bare.add(poolText('x'));
  assert.equal([bare.has(recorded('x', '1')), bare.has(recorded('y', '1'))], [true, false]);
});

test.run();
