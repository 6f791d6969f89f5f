import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { foldsOf } from '../../src/evaluate/folds.js';
import { type EvaluationRow, evaluationRows } from '../../src/evaluate/rows.js';
import { autoregressive, comparedSettings, relaxed } from '../../src/evaluate/settings.js';
import { evaluatedText as text } from './texts.js';

const bounds = { topK: 2, minProb: 0.1, divergenceBudget: 4, minGain: 1 };

test('a row for each kind of texts, measured against the autoregressive ones', () => {
  const references = [
    text({}),
    text({ entityId: '2', text: 'a cold drama', ids: [5, 8, 7], vector: Float32Array.of(0, 1) }),
    text({ entityType: 'user', framework: 'rlmrec', unparsable: false }),
  ];
  const changed = [
    text({}),
    text({
      ...references[1],
      text: 'a warm drama',
      ids: [5, 6, 7, 9],
      vector: Float32Array.of(3, 4),
      finishReason: 'length',
      emittedTokens: 4,
      decodeSteps: 1,
      relaxedTokens: 1,
      divergence: 1.5,
      logProbability: -3.5,
      repetitive: true,
    }),
    text({ ...references[2], unparsable: true }),
  ];
  const [items, users] = evaluationRows(relaxed(bounds, 16), changed, references) as [
    EvaluationRow,
    EvaluationRow,
  ];
  assert.equal([items.entityType, items.framework, items.texts, items.mode], ['item', 'kar', 2, 'relaxed']);
  assert.equal([items.topK, items.minProb, items.divergenceBudget, items.nodes], [2, 0.1, 4, 16]);
  assert.is(items.sameTexts, 1 / 2);
  assert.is(items.sameTokens, (3 + 2) / (3 + 4));
  assert.is(items.rougeL, (1 + 2 / 3) / 2);
  assert.equal([items.distinct1, items.distinct2], [3 / 6, 2 / 4]);
  assert.equal([items.repetitive, items.jsonValid], [1 / 2, null]);
  assert.equal([items.ended, items.cutByLength, items.cutByContext], [1 / 2, 1 / 2, 0]);
  assert.equal([items.outputTokens, items.relaxedTokens], [3.5, 0.5]);
  assert.equal([items.divergenceMean, items.divergenceMax, items.divergencePerToken], [0.75, 1.5, 1.5 / 8]);
  assert.equal([items.logProbability, items.perplexity], [-5.5 / 8, Math.exp(5.5 / 8)]);
  assert.equal([items.tokensPerStep, items.rowsPerStep], [8 / 3, 1 + 12 / 3]);
  assert.ok(Math.abs((items.vectorDistance ?? 0) - (0 + 0.2) / 2) < 1e-12);
  assert.ok(Math.abs((items.entityDistance ?? 0) - 1) < 1e-12);
  assert.equal([users.entityType, users.framework, users.texts, users.jsonValid], ['user', 'rlmrec', 1, 0]);
  assert.is(users.entityDistance, null);
});

test('what an engine or the settings leave out is null, not 0', () => {
  const texts = [text({ vector: null, logProbability: null })];
  const [row] = evaluationRows(autoregressive, texts, texts) as [EvaluationRow];
  const { vectorDistance, entityDistance, logProbability, perplexity, nodes, divergenceBudget } = row;
  for (const value of [vectorDistance, entityDistance, logProbability, perplexity, nodes, divergenceBudget])
    assert.is(value, null);
});

test('an evaluation compares three settings, and every other budget once', () => {
  const names = comparedSettings(bounds, 'auto', [8, 4, 1, 8]).map(({ name }) => name);
  assert.equal(names, [
    'autoregressive',
    'greedy',
    'relaxed 4 nats, top 2, p 0.1, gain 1',
    'relaxed 1 nats, top 2, p 0.1, gain 1',
    'relaxed 8 nats, top 2, p 0.1, gain 1',
  ]);
});

test('a large sample is decoded in parts of a fifth of all; what belongs together stays so', () => {
  const members = Array.from({ length: 100 }, (_, i) => `${Math.floor(i / 2)}`);
  const parts = (all: number) => foldsOf(members, (key) => key, all).map(({ length }) => length);
  assert.equal(parts(1000), [100]);
  assert.equal(parts(500), [100]);
  assert.equal(parts(499), [50, 50]);
  assert.equal(parts(100), [20, 20, 20, 20, 20]);
  const folds = foldsOf(members, (key) => key, 100);
  for (const key of new Set(members)) assert.is(folds.filter((fold) => fold.includes(key)).length, 1);
});

test.run();
