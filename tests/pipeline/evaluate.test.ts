import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Downstream } from '../../pipeline/downstream.js';
import { freshness } from '../../pipeline/freshness.js';
import { loadConfig } from '../../src/config/load.js';
import type { TextPair } from '../../src/evaluate/pairs.js';
import type { EvaluationRow } from '../../src/evaluate/rows.js';
import { Duck } from '../../src/lake/duck.js';
import { Lake } from '../../src/lake/lake.js';
import { readManifest } from '../../src/lake/manifest.js';
import type { CommandResult } from '../../src/stage.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { runHere } from '../simulate/fixture.js';
import { smallCatalogue } from './fixture.js';

type Evaluation = CommandResult & {
  downstream: Downstream;
  results: EvaluationRow[];
  poolTexts: number;
  folds: number;
  prompts: number;
};

async function made(root: string, ...stages: string[]): Promise<string> {
  const { config } = smallCatalogue(root);
  for (const stage of stages) await runHere([stage, '--config', config]);
  return config;
}

async function rowsOf(sql: string): Promise<Record<string, unknown>[]> {
  const duck = await Duck.open({ threads: 1 });
  try {
    return await duck.rows(sql);
  } finally {
    duck.close();
  }
}

test('settings are compared on a sample that is held out of the pools; table, manifest and line of JSON agree', () =>
  inFolder(async (root) => {
    const config = await made(root, 'segment', 'prompts', 'pools', 'decode');
    const evaluation = (await runHere([
      'evaluate',
      '--config',
      config,
      '--limit',
      '6',
      '--divergence-budget',
      '0.5',
    ])) as Evaluation;
    const { results, prompts, folds, warnings } = evaluation;
    assert.equal([prompts, folds, warnings], [12, 1, []]);
    const settings = [
      'autoregressive',
      'greedy',
      'relaxed 4 nats, top 3, p 0.05, gain 5',
      'relaxed 0.5 nats, top 3, p 0.05, gain 5',
    ];
    assert.equal([...new Set(results.map(({ setting }) => setting))], settings);
    for (const row of results) {
      assert.equal([row.texts, row.framework], [6, 'kar']);
      if (row.mode !== 'relaxed') assert.equal([row.sameTexts, row.divergenceMax, row.rougeL], [1, 0, 1]);
      else assert.ok(row.divergenceMax <= (row.divergenceBudget ?? 0), `${row.divergenceMax}`);
      // texts are cut off: their vectors take one step more, which writes nothing
      if (row.mode === 'autoregressive') assert.equal([row.vectorDistance, row.tokensPerStep], [0, 1]);
      assert.ok((row.perplexity ?? 0) > 1);
      assert.ok((row.entityDistance ?? 0) > 0);
    }
    const lake = new Lake(join(root, 'lake'));
    // the partition's own texts, without those of the sample
    const texts = await rowsOf(`select count(*)::integer as n from '${lake.file('texts', 'a')}'`);
    assert.is(evaluation.poolTexts, (texts[0]?.n as number) - 12);
    const file = lake.file('evaluation', 'a');
    const [table] = await rowsOf(
      `select count(*)::integer as n, sum(tokens_per_step) as rate, sum(rouge_l) as rouge from '${file}'`,
    );
    const sum = (of: (row: EvaluationRow) => number) => results.reduce((total, row) => total + of(row), 0);
    const clicks = evaluation.downstream.results;
    assert.is(table?.n, results.length + clicks.length);
    assert.equal(
      clicks.map(({ name }) => name),
      ['no features', 'autoregressive', 'shuffled features', ...settings.slice(2)],
    );
    const judged = await rowsOf(
      `select setting, auc, verdict from '${file}' where entity_type is null order by all`,
    );
    const expected = clicks.map(({ name, auc, verdict = null }) => {
      // there is none where nothing, or everything, that is predicted was liked
      return { setting: name, auc: Number.isNaN(auc) ? null : auc, verdict };
    });
    assert.equal(
      judged,
      expected.sort((a, b) => (a.setting < b.setting ? -1 : 1)),
    );
    assert.not.match(String(evaluation.summary), /NaN/);
    // what relaxing changed stands in the manifest, and in no log
    const { pairs } = (await readManifest(lake.dir('evaluation', 'a'))) as unknown as { pairs: TextPair[] };
    const different = sum((row) => (row.setting === settings[2] ? (1 - row.sameTexts) * row.texts : 0));
    assert.is(pairs.length, Math.min(5, Math.round(different)));
    for (const {
      setting,
      relaxed,
      autoregressive,
      marks,
      relaxedTokens,
      relaxedPositions,
      divergence,
    } of pairs) {
      assert.equal([setting, relaxed === autoregressive], [settings[2], false]);
      assert.ok(divergence > 0 && relaxedTokens >= relaxedPositions.length);
      // until the first relaxed token the texts are the same
      const first = marks[0]?.start ?? relaxed.length;
      assert.is(relaxed.slice(0, first), autoregressive.slice(0, first));
      assert.not(JSON.stringify(evaluation).includes(relaxed));
    }
    // a dozen texts tell a click model next to nothing
    assert.match(evaluation.downstream.statement, /too weak/);
    assert.ok(Math.abs(Number(table?.rate) - sum(({ tokensPerStep }) => tokensPerStep)) < 1e-9);
    assert.ok(Math.abs(Number(table?.rouge) - sum(({ rougeL }) => rougeL)) < 1e-9);
    assert.ok(!existsSync(lake.work('evaluation', 'a')));
    assert.ok(!existsSync(lake.unfinished('evaluation', 'a')));
    // what was evaluated needn't be again, until something changes
    const asked = ['--limit', '6', '--divergence-budget', '0.5'];
    const again = await runHere(['evaluate', '--config', config, '--skip-exit-code', '99', ...asked]);
    assert.equal([again.skipped, again.rows], [true, table?.n]);
    const { evaluate, ...others } = loadConfig(config);
    const changed = { ...others, evaluate: { ...evaluate, limit: 7, divergenceBudgets: [0.5] } };
    const { state, reasons } = await freshness('evaluation', { config: changed, lake, partition: 'a' });
    assert.equal([state, reasons], ['stale', ['evaluate.limit: 6 -> 7']]);
  }));

test('what an evaluation needs, and has not', () =>
  inFolder(async (root) => {
    const config = await made(root, 'segment');
    const failure = async (...more: string[]) =>
      await errorOf(() => runHere(['evaluate', '--config', config, ...more]));
    assert.match((await failure()).message, /no prompts for the partition a/);
    await runHere(['prompts', '--config', config]);
    assert.match((await failure()).message, /no texts to draft from/);
    assert.match((await failure('--set', 'decode.mode=sample')).message, /mode sample draws/);
    assert.match((await failure('--limit', '0')).message, /--limit is "0"/);
    assert.match((await failure('--divergence-budget', '1,x')).message, /--divergence-budget holds "x"/);
    assert.ok(!existsSync(new Lake(join(root, 'lake')).file('evaluation', 'a')));
  }));

test.run();
