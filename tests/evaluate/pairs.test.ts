import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { changedPairs } from '../../src/evaluate/pairs.js';
import type { EvaluatedText } from '../../src/evaluate/rows.js';
import { relaxed } from '../../src/evaluate/settings.js';
import { evaluatedText } from './texts.js';

const setting = relaxed({ topK: 2, minProb: 0.1, divergenceBudget: 4, minGain: 0 }, 'auto');
const marksOf = ({ relaxedPositions: { 0: start = 0 } }: EvaluatedText) => [{ start, end: start + 1 }];

/** Texts that spent so much; those that spent nothing are as they were. */
function some(divergences: readonly number[]): [EvaluatedText[], EvaluatedText[]] {
  const texts = divergences.map((divergence, i) =>
    evaluatedText({
      ...{ promptId: `p${i}`, entityId: `${i}`, divergence, relaxedTokens: 2, relaxedPositions: [i] },
      text: divergence > 0 ? `changed ${i}` : `text ${i}`,
    }),
  );
  return [texts, texts.map((text, i) => ({ ...text, text: `text ${i}` }))];
}

for (const [name, divergences, most, expected] of [
  ['nothing changed', [0, 0], 5, []],
  ['one of several', [0.1, 3, 2], 1, ['p1']],
  ['fewer than there may be', [0, 1, 0, 2], 5, ['p3', 'p1']],
  ['at even distances, ends among them', [1, 2, 3, 4, 5, 6, 7, 8, 9], 3, ['p8', 'p4', 'p0']],
  ['the same divergence: by id', [1, 1, 1], 5, ['p0', 'p1', 'p2']],
] as const) {
  test(`pairs: ${name}`, () => {
    const [texts, references] = some(divergences);
    const found = changedPairs(setting, texts, references, marksOf, most);
    assert.equal(
      found.map(({ promptId }) => promptId),
      expected,
    );
  });
}

test('a pair tells both texts, whom they are about, and which tokens were relaxed', () => {
  assert.equal(changedPairs(setting, ...some([0, 1.5]), marksOf), [
    {
      ...{ promptId: 'p1', entityType: 'item', entityId: '1', framework: 'kar', setting: setting.name },
      ...{ autoregressive: 'text 1', relaxed: 'changed 1', relaxedTokens: 2, relaxedPositions: [1] },
      ...{ marks: [{ start: 1, end: 2 }], divergence: 1.5 },
    },
  ]);
});

test.run();
