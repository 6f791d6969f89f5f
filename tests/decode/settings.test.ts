import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadStandalone } from '../../src/config/load.js';
import { decodeSettings, needsCosts, settingsFor } from '../../src/decode/settings.js';

const engine = { usualRows: 25, nearTieMargin: 0.02 };
const rules = (...set: string[]) => decodeSettings(loadStandalone(set).decode);

test('rows are weighed by their costs unless there are no drafts, or their size is given', () => {
  for (const mode of ['greedy', 'sample', 'relaxed'])
    assert.ok(needsCosts(rules(`decode.mode=${mode}`)), mode);
  assert.not(needsCosts(rules('decode.mode=autoregressive')));
  assert.not(needsCosts(rules('decode.mode=sample', 'decode.nodes=0')));
  assert.not(needsCosts({ ...rules(), minPathProbability: 0.1 }));
});

test('a draft has the nodes that are asked for at most, else what the engine has rows for', () => {
  assert.is(settingsFor(engine, rules()).nodes, 24);
  assert.is(settingsFor(engine, rules('decode.nodes=5')).nodes, 5);
  assert.is(settingsFor(engine, { ...rules(), minPathProbability: 0.5 }).minPathProbability, 0.5);
});

test('relaxed drafts of a given size ask no cost table: texts are the same with any concurrency', () => {
  assert.not(needsCosts(rules('decode.mode=relaxed', 'decode.nodes=5')));
  assert.ok(needsCosts(rules('decode.mode=relaxed')));
  assert.ok(needsCosts(rules('decode.mode=relaxed', 'decode.nodes=5', 'decode.reproducible=false')));
  assert.ok(needsCosts(rules('decode.mode=greedy', 'decode.nodes=5')));
});

test('near ties are for the engine to say, costs for whoever knows them', () => {
  const costs = { batch: [1], rows: [1], milliseconds: [[1]] };
  const settings = settingsFor(engine, rules(), costs);
  assert.is(settings.nearTieMargin, 0.02);
  assert.is(settings.costs, costs);
  assert.is(settingsFor(engine, rules()).costs, undefined);
});

test.run();
