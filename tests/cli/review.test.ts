import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { settingsOf } from '../../pipeline/tune.js';
import { parseCommand } from '../../src/cli/arguments.js';
import { commandHelp } from '../../src/cli/help.js';
import { evaluateConfig, tuneOptions } from '../../src/cli/review-options.js';
import { loadConfig } from '../../src/config/load.js';
import { packageRoot } from '../../src/paths.js';

const config = loadConfig(join(packageRoot, 'data-samples/dare.yaml'), ['decode.nodes=24']);

test('options of an evaluation stand for keys of the configuration', () => {
  const { evaluate } = evaluateConfig({ limit: '7', 'divergence-budget': '0.5, 6' }, config);
  assert.equal(evaluate, { limit: 7, divergenceBudgets: [0.5, 6] });
  assert.equal(evaluateConfig({}, config), config);
});

test('what is tried where nobody says, and what somebody says', () => {
  assert.equal(tuneOptions({}, config), {
    limit: 100,
    divergenceBudgets: [1, 4],
    topK: [2, 3],
    minProb: [0.05, 0.1],
    nodes: ['auto', 16, 32],
    minGain: [5],
    maxLoss: 0.05,
  });
  const options = { limit: '9', 'top-k': '1,5', 'min-prob': '0', nodes: 'auto,8,auto', 'max-loss': '0.2' };
  const { limit, topK, minProb, nodes, maxLoss } = tuneOptions(options, config);
  assert.equal([limit, topK, minProb, nodes, maxLoss], [9, [1, 5], [0], ['auto', 8], 0.2]);
});

test('help and README say what is tried where nobody says, and how many settings that makes', () => {
  const { divergenceBudgets, topK, minProb, nodes } = tuneOptions({}, config);
  const lists = {
    'divergence-budget': divergenceBudgets,
    'top-k': topK,
    'min-prob': minProb,
    nodes,
  };
  const help = commandHelp('tune');
  for (const [option, values] of Object.entries(lists))
    assert.match(help, new RegExp(`--${option} LIST .*default ${values.join(',').replaceAll('.', '\\.')}\n`));
  const count = settingsOf(tuneOptions({}, config)).length;
  assert.match(help.replaceAll(/\s+/g, ' '), new RegExp(`defaults make ${count} settings`));
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  assert.match(readme, new RegExp(`nodes\` \\(\`auto\`, 16, 32\\), ${count} settings`));
});

test('values that an option does not take', () => {
  for (const [option, value, message] of [
    ['limit', '1', /--limit is "1", expected a whole number from 2/],
    ['divergence-budget', '1,-2', /--divergence-budget holds "-2", expected numbers of at least 0/],
    ['top-k', '0', /--top-k is "0"/],
    ['min-prob', '0.1,1.5', /--min-prob holds "1.5", expected numbers from 0 to 1/],
    ['nodes', 'many', /--nodes is "many"/],
    ['max-loss', '', /--max-loss holds ""/],
  ] as const)
    assert.throws(() => tuneOptions({ [option]: value }, config), message);
});

test('they need a configuration, and know their own options alone', () => {
  for (const [args, message] of [
    [['evaluate'], /--config FILE is missing/],
    [['tune', '--limit', '4'], /--config FILE is missing/],
    [['evaluate', '--config', 'x', '--max-loss', '1'], /no option --max-loss \(it belongs to dare tune\)/],
    [['tune', '--config', 'x', '--skip-exit-code', '9'], /no option --skip-exit-code/],
    [['tune', '--config', 'x', 'y'], /unexpected argument "y"/],
  ] as const)
    assert.throws(() => parseCommand(args), message);
  const command = parseCommand(['tune', '--config', 'x']);
  assert.equal([command.kind, command.kind === 'lake' && command.name], ['lake', 'tune']);
});

test.run();
