import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DecodeRules } from '../../src/decode/sequence.js';
import { settingsKey, type TextSettings, textKey } from '../../src/decode/text-key.js';
import type { PromptRow } from '../../src/lake/pages.js';

const rules: DecodeRules = {
  mode: 'greedy',
  maxNewTokens: 8,
  topK: 2,
  minProb: 0.1,
  divergenceBudget: 4,
  minGain: 0,
  nodes: 'auto',
  reproducible: true,
  stop: [],
  repetitionPenalty: 1,
  sampling: { temperature: 1, topK: 0, topP: 1, minP: 0 },
};
const settings: TextSettings = { model: 'm', weights: 'float32', tokenizer: 't', rules, seed: 0 };
const prompt: PromptRow = {
  row: 0,
  promptId: 'a',
  entityType: 'item',
  entityId: '1',
  framework: 'kar',
  cohort: 'c',
  prompt: 'What is known?',
  messages: null,
};

const withRules = (changes: Partial<DecodeRules>): TextSettings => ({
  ...settings,
  rules: { ...rules, ...changes },
});
const other = (base: TextSettings, changed: TextSettings) => settingsKey(base) !== settingsKey(changed);

test('settings that decide every text change the key', () => {
  for (const changed of [
    { ...settings, model: 'n' },
    { ...settings, weights: 'int8' },
    { ...settings, tokenizer: 'u' },
    withRules({ maxNewTokens: 9 }),
    withRules({ stop: ['x'] }),
    withRules({ repetitionPenalty: 1.1 }),
    withRules({ mode: 'relaxed' }),
    withRules({ mode: 'sample' }),
  ])
    assert.ok(other(settings, changed), JSON.stringify(changed));
  assert.not.ok(other(settings, withRules({ mode: 'autoregressive' })));
});

const bounds: Partial<DecodeRules>[] = [
  { topK: 3 },
  { minProb: 0.2 },
  { divergenceBudget: 5 },
  { minGain: 2 },
  { nodes: 8 },
  { minPathProbability: 0.5 },
];
const draws: Partial<DecodeRules>[] = [
  { sampling: { ...rules.sampling, temperature: 2 } },
  { sampling: { ...rules.sampling, topK: 5 } },
  { sampling: { ...rules.sampling, topP: 0.9 } },
  { sampling: { ...rules.sampling, minP: 0.1 } },
];

test('settings of one mode count in that mode alone', () => {
  for (const mode of ['greedy', 'relaxed', 'sample'] as const) {
    const base = withRules({ mode });
    for (const change of bounds) assert.is(other(base, withRules({ mode, ...change })), mode === 'relaxed');
    for (const change of draws) assert.is(other(base, withRules({ mode, ...change })), mode === 'sample');
    assert.is(other(base, { ...base, seed: 1 }), mode === 'sample');
  }
});

test('pools and cost table count in mode relaxed alone, and together', () => {
  for (const mode of ['greedy', 'relaxed', 'sample', 'autoregressive'] as const) {
    const base = withRules({ mode });
    const strict = { ...base, pools: 'p', costs: 'c' };
    assert.not.ok(other(base, { ...base, costs: 'c' }), `${mode}: not strict`);
    assert.is(other(strict, { ...strict, pools: null }), mode === 'relaxed');
    assert.is(other(strict, { ...strict, costs: 'd' }), mode === 'relaxed');
    assert.is(other(strict, { ...strict, costs: undefined }), mode === 'relaxed');
  }
});

test("a text's key depends on the prompt's content and the settings; the id counts where it decides what is drawn", () => {
  const key = (row: PromptRow, mode: DecodeRules['mode'] = 'greedy') => textKey(row, mode, 's');
  assert.is(
    key({ ...prompt, row: 5, promptId: 'b', entityId: '2', cohort: 'd', framework: null }),
    key(prompt),
  );
  assert.not(key({ ...prompt, promptId: 'b' }, 'sample') === key(prompt, 'sample'));
  assert.not(key({ ...prompt, prompt: 'What?' }) === key(prompt));
  assert.not(textKey(prompt, 'greedy', 'other') === key(prompt));
  const chat = (...contents: string[]): PromptRow => ({
    ...prompt,
    prompt: null,
    messages: contents.map((content) => ({ role: 'user', content })),
  });
  assert.not(key(chat('a', 'b')) === key(chat('ab')));
  assert.not(key(chat('What is known?')) === key(prompt));
});

test.run();
