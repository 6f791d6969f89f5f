import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadStandalone } from '../../src/config/load.js';
import { decodeSettings, settingsFor } from '../../src/decode/settings.js';

const costs = { rowCost: { now: 0.03, any: 0.06 }, usualNodes: 24, nearTieMargin: 0.02 };
const rules = (...set: string[]) => decodeSettings(loadStandalone(set).decode);

test('a draft row must be worth what it costs with these slots, in mode relaxed with any', () => {
  for (const mode of ['greedy', 'sample', 'autoregressive']) {
    const { minPathProbability } = settingsFor(costs, rules(`decode.mode=${mode}`));
    assert.ok(Math.abs(minPathProbability - 0.1) < 1e-12, mode);
  }
  const { minPathProbability } = settingsFor(costs, rules('decode.mode=relaxed'));
  assert.ok(Math.abs(minPathProbability - 0.2) < 1e-12);
});

test('the number of nodes is that of the engine unless it is given, and so is the threshold', () => {
  assert.is(settingsFor(costs, rules()).nodes, 24);
  assert.is(settingsFor(costs, rules('decode.nodes=5')).nodes, 5);
  assert.is(settingsFor(costs, { ...rules(), minPathProbability: 0.5 }).minPathProbability, 0.5);
});

test('near ties are for the engine to say', () => {
  assert.is(settingsFor(costs, rules()).nearTieMargin, 0.02);
});

test.run();
