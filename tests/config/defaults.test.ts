import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pathsOf, valueAt } from '../../src/config/describe.js';
import { loadConfig, loadStandalone } from '../../src/config/load.js';
import { configSchema } from '../../src/config/schema.js';
import { packageRoot } from '../../src/paths.js';
import { MINIMAL, withFolder } from './fixture.js';

const REFERENCE = join(packageRoot, 'data-samples/dare.yaml');

const DEFAULTS: readonly [path: string, value: unknown, documented: string][] = [
  ['inputs.users', undefined, 'optional'],
  ['cohorts.users.method', 'collaborative', 'collaborative (default)'],
  ['cohorts.users.groups', 'auto', 'auto (default)'],
  ['cohorts.users.minRatings', 5, 'Default 5'],
  ['cohorts.users.columns', [], 'Default: none'],
  ['cohorts.items.method', 'attributes', 'attributes (default)'],
  ['cohorts.items.groups', 'auto', 'auto (default)'],
  ['cohorts.users.refit', 'keep', 'keep (default)'],
  ['cohorts.previous', undefined, 'Default: the latest earlier one'],
  ['prompts.frameworks', ['kar'], 'Default: [kar]'],
  [
    'prompts.templates',
    join(packageRoot, 'sql/prompts/templates'),
    "Default: the package's sql/prompts/templates",
  ],
  ['prompts.history.liked', 6, 'Default 6'],
  ['prompts.history.likedFrom', 4, 'Default 4'],
  ['prompts.history.disliked', 2, 'Default 2'],
  ['prompts.history.dislikedTo', 2, 'Default 2'],
  ['memoryLimit', undefined, "Default: DuckDB's"],
  ['storage.endpoint', undefined, 'Default: AWS_ENDPOINT_URL, else AWS'],
  ['storage.region', undefined, 'Default: AWS_REGION'],
  ['storage.pathStyle', undefined, 'Default: true where there is an endpoint'],
  ['storage.workingCopy', undefined, 'Default: dare/lakes in'],
  ['pools.maxLength', 6, 'Default 6'],
  ['pools.texts', undefined, "Default: the lake's earlier partitions"],
  ['pools.maxTokens', undefined, 'Default: no limit'],
  ['pools.keep', 'recent', 'recent (default)'],
  ['pools.exclude', [], 'Default: none'],
  ['model.cache', undefined, 'Default:'],
  ['model.weights', 'auto', 'auto (default)'],
  ['model.device', 'auto', 'auto (default)'],
  ['model.adapter', undefined, 'where there are several'],
  ['model.adapters', undefined, 'Default: one'],
  ['model.threads', undefined, 'Default: by machine'],
  ['decode.mode', 'relaxed', 'relaxed (default)'],
  ['decode.maxNewTokens', 256, 'Default 256'],
  ['decode.topK', 3, 'Default 3'],
  ['decode.minProb', 0.05, 'Default 0.05'],
  ['decode.divergenceBudget', 4, 'Default 4'],
  ['decode.minGain', 5, 'Default 5'],
  ['decode.nodes', 'auto', 'auto (default)'],
  ['decode.stop', [], 'Default: none'],
  ['decode.repetitionPenalty', 1, 'Default 1'],
  ['decode.sampling.temperature', 1, 'Default 1'],
  ['decode.sampling.topK', 0, 'Default 0'],
  ['decode.sampling.topP', 1, 'Default 1'],
  ['decode.sampling.minP', 0, 'Default 0'],
  ['decode.sampling.seed', 0, 'Default 0'],
  ['decode.concurrency', 'auto', 'auto (default'],
  ['decode.shards', undefined, 'Default: one for each of model.adapters'],
  ['decode.reuse', 'texts', 'texts (default)'],
  ['decode.maxFailedShare', 0.01, 'Default 0.01'],
  ['decode.verifyPools', undefined, 'Default: true in mode relaxed'],
  ['decode.rounds.first', 0.05, 'Default 0.05'],
  ['decode.rounds.growth', 4, 'Default 4'],
  ['publish.quality.empty', 0.01, 'Default 0.01'],
  ['publish.quality.cut', 1, 'Default 1'],
  ['publish.quality.repetitive', 0.05, 'Default 0.05'],
  ['publish.quality.unparsable', 0.2, 'Default 0.2'],
  ['publish.quality.failed', 0.05, 'Default 0.05'],
  ['publish.keep', 1, 'Default 1'],
  ['publish.vectors', 'float32', 'float32 (default)'],
  ['evaluate.limit', 100, 'Default 100'],
  ['evaluate.divergenceBudgets', [1, 2, 8, 16], 'Default [1, 2, 8, 16]'],
];

test('every default is filled in', () => {
  const config = withFolder((_, write) => loadConfig(write(MINIMAL)));
  for (const [path, value] of DEFAULTS) assert.equal(valueAt(config, path.split('.')), value, path);
});

test('decoding without a configuration has the same defaults', () => {
  const config = withFolder((_, write) => loadConfig(write(MINIMAL)));
  const { reuse: _, ...decode } = config.decode;
  assert.equal(loadStandalone(), { model: { weights: 'auto', device: 'auto' }, decode });
});

test('the reference sets every default, and says so beside the key', () => {
  const config = loadConfig(REFERENCE);
  const text = readFileSync(REFERENCE, 'utf8');
  for (const [path, value, documented] of DEFAULTS) {
    assert.equal(valueAt(config, path.split('.')), value, path);
    assert.ok(
      about(text, path).includes(documented),
      `${path}: ${documented} is not in\n${about(text, path)}`,
    );
  }
});

test('the reference names every key of the schema', () => {
  const text = readFileSync(REFERENCE, 'utf8');
  for (const path of pathsOf(configSchema))
    assert.match(text, new RegExp(`^[ #]*${path.at(-1)}:`, 'm'), path.join('.'));
});

/** The line of a key (also a commented one), found group by group, with the comment lines above it. */
function about(text: string, path: string): string {
  const lines = text.split('\n');
  let at = 0;
  for (const key of path.split('.')) {
    const found = lines.findIndex((line, index) => index >= at && new RegExp(`^ *(# *)?${key}:`).test(line));
    assert.ok(found >= 0, `${path} is not in the reference`);
    at = found;
  }
  let first = at;
  while (first > 0 && /^ *#/.test(lines[first - 1] ?? '')) first--;
  return lines.slice(first, at + 1).join('\n');
}

test.run();
