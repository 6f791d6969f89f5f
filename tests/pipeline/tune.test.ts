import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, stringify } from 'yaml';
import type { Tuned } from '../../pipeline/tune.js';
import { loadConfig } from '../../src/config/load.js';
import type { Setting } from '../../src/evaluate/rows.js';
import type { CommandResult } from '../../src/stage.js';
import { errorOf, inFolder } from '../lake/temporary.js';
import { runHere } from '../simulate/fixture.js';
import { smallCatalogue } from './fixture.js';

type Tuning = CommandResult & { chosen: Setting; configuration: string; results: (Tuned & Setting)[] };

test('settings are swept, the fastest within the bound is chosen, and its YAML is a configuration', () =>
  inFolder(async (root) => {
    const { config } = smallCatalogue(root);
    for (const stage of ['segment', 'prompts', 'pools', 'decode']) await runHere([stage, '--config', config]);
    const tune = async (...more: string[]) =>
      (await runHere(['tune', '--config', config, '--limit', '6', '--top-k', '2', ...more])) as Tuning;
    const swept = await tune(
      '--divergence-budget',
      '0,8',
      '--min-prob',
      '0.01',
      '--min-gain',
      '3',
      '--nodes',
      '4,16',
    );
    assert.equal(swept.results.map(({ name }) => name).sort(), [
      'autoregressive',
      'greedy, nodes 16',
      'greedy, nodes 4',
      'relaxed 0 nats, top 2, p 0.01, gain 3, nodes 16',
      'relaxed 0 nats, top 2, p 0.01, gain 3, nodes 4',
      'relaxed 8 nats, top 2, p 0.01, gain 3, nodes 16',
      'relaxed 8 nats, top 2, p 0.01, gain 3, nodes 4',
    ]);
    for (const { mode, divergenceBudget, loss, sameTexts, milliseconds } of swept.results) {
      assert.ok(milliseconds > 0);
      if (mode !== 'relaxed' || divergenceBudget === 0) assert.equal([loss, sameTexts], [0, 1]);
    }
    const chosen = swept.results.find(({ name }) => name === swept.chosen.name);
    for (const { loss, milliseconds } of swept.results)
      if (loss <= 0.05) assert.ok(milliseconds >= (chosen?.milliseconds ?? 0) * 0.99);
    const { decode } = parse(swept.configuration) as { decode: Record<string, unknown> };
    const overrides = Object.entries(decode).map(
      ([key, value]) => `decode.${key}=${stringify(value).trim()}`,
    );
    assert.is(loadConfig(config, overrides, {}).decode.mode, swept.chosen.mode);
    // without any loss nothing that gave something away can be chosen
    const strict = await tune('--divergence-budget', '8', '--min-prob', '0.01', '--max-loss', '0');
    assert.is(strict.results.find(({ name }) => name === strict.chosen.name)?.loss, 0);
    assert.ok(!existsSync(join(root, 'lake', 'evaluation')));
    for (const [option, value, message] of [
      ['--max-loss', 'x', /--max-loss holds "x"/],
      ['--nodes', '0', /--nodes is "0"/],
      ['--min-prob', '2', /--min-prob holds "2"/],
      ['--min-gain', '300', /--min-gain holds "300"/],
    ] as const)
      assert.match((await errorOf(() => tune(option, value))).message, message);
  }));

test.run();
