/** The documented defaults of decoding, as configured and as they behave, with a configuration and without one. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, stringify } from 'yaml';
import { loadConfig, loadStandalone } from '../../src/config/load.js';
import { engineOptions } from '../../src/decode/settings.js';
import { cpuSlots } from '../../src/engine/open.js';
import { readManifest } from '../../src/lake/manifest.js';
import { packageRoot } from '../../src/paths.js';
import { dare, resultOf } from '../cli/spawn.js';
import { MINIMAL, withFolder } from '../config/fixture.js';
import { inFolder, readTable } from '../prompts/fixture.js';
import { cache, endlessModel, sampleModel, smallCatalogue, somePrompts, writePrompts } from './fixture.js';

const DEFAULTS = {
  mode: 'relaxed',
  maxNewTokens: 256,
  topK: 3,
  minProb: 0.05,
  divergenceBudget: 4,
  minGain: 5,
  nodes: 'auto',
  stop: [],
  repetitionPenalty: 1,
  sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 0 },
  reproducible: true,
  concurrency: 'auto',
  maxFailedShare: 0.01,
  rounds: { first: 0.05, growth: 4 },
  reuse: 'texts',
};

type Rows = Record<string, number | string>[];

async function decodeAlone(
  folder: string,
  settings: readonly string[] = [],
  model: string = sampleModel,
): Promise<Rows> {
  const files = ['--prompts', join(folder, 'prompts.parquet'), '--out', join(folder, 'texts.parquet')];
  const set = [`model.cache=${cache}`, ...settings].flatMap((setting) => ['--set', setting]);
  const { code, stderr } = await dare(['decode', '--model', model, ...files, ...set, '--quiet']);
  assert.is(code, 0, stderr);
  return (await readTable(join(folder, 'texts.parquet'))) as Rows;
}

test('a configuration file without the group decode, and the standalone command, have the defaults', () => {
  assert.equal(withFolder((_, write) => loadConfig(write(MINIMAL))).decode, DEFAULTS);
  // without a lake there are no earlier texts
  const { reuse, ...alone } = DEFAULTS;
  assert.is(reuse, 'texts');
  assert.equal(loadStandalone().decode, alone);
});

test("the README's table of the group decode gives them", () => {
  const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
  const [, table = ''] = readme.split('| key under `decode` | default | meaning |\n|---|---|---|\n');
  const documented = new Map<string, unknown>();
  for (const row of (table.split('\n\n', 1)[0] as string).split('\n')) {
    const [, keys = '', values = ''] = row.split('|').map((cell) => cell.trim().replaceAll('`', ''));
    const all = values.split(', ');
    for (const [i, key] of keys.split(', ').entries()) documented.set(key, parse(all[i] as string));
  }
  const { rounds, sampling, ...rest } = DEFAULTS;
  const flat = { ...rest, ...dotted('rounds', rounds), ...dotted('sampling', sampling) };
  assert.equal(Object.fromEntries(documented), flat);
});

function dotted(group: string, keys: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${group}.${key}`, value]));
}

test('concurrency auto is 16 texts on a CPU', () => {
  assert.is(engineOptions('m', loadStandalone()).slots, undefined);
  assert.is(cpuSlots, 16);
  assert.is(engineOptions('m', loadStandalone([], { concurrency: '3' })).slots, 3);
});

test('a GPU is told how long the longest text can become, where the prompts say it', () => {
  const config = loadStandalone(['decode.maxNewTokens=40']);
  assert.is(engineOptions('m', config, { longest: 700 }).columns, 740);
  assert.is(engineOptions('m', config, { count: 3 }).columns, undefined);
});

test('no more texts are decoded together than there are prompts', async () => {
  for (const [count, slots] of [
    [2, 2],
    [4, 3],
    [0, 1],
  ] as const)
    assert.is(engineOptions('m', loadStandalone([], { concurrency: '3' }), { count }).slots, slots);
  await inFolder(async (folder) => {
    await writePrompts(folder, somePrompts(2));
    const files = ['--model', sampleModel, '--prompts', join(folder, 'prompts.parquet')];
    const more = ['--out', join(folder, 'texts.parquet'), '--concurrency', '1024', '--json'];
    const settings = ['decode.maxNewTokens=2', `model.cache=${cache}`].flatMap((key) => ['--set', key]);
    const { stderr } = await dare(['decode', ...files, ...more, ...settings]);
    assert.match(stderr, /"concurrency":2,/);
  });
});

test('by default a text ends at 256 tokens, with finish_reason length; maxNewTokens ends it before', async () => {
  await inFolder(async (folder) => {
    await writePrompts(folder, somePrompts(2));
    const model = endlessModel(folder);
    for (const [settings, tokens] of [
      [[], 256],
      [['decode.maxNewTokens=17'], 17],
    ] as const) {
      const rows = await decodeAlone(folder, settings, model);
      for (const { finish_reason, output_tokens } of rows)
        assert.equal([finish_reason, output_tokens], ['length', tokens]);
    }
  });
});

test('dare decode --config without the group decode: its manifest and its texts show the defaults', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const { decode, ...rest } = parse(readFileSync(config, 'utf8')) as Record<string, unknown>;
    const model = { path: endlessModel(folder), cache };
    writeFileSync(config, stringify({ ...rest, model }));
    await writePromptsTable(folder);
    const finished = await dare(['decode', '--config', config, '--quiet']);
    assert.is(finished.code, 0, finished.stderr);
    assert.is(resultOf(finished).mode, 'relaxed');
    const dir = join(folder, 'lake/texts/partition=a');
    const { origin } = (await readManifest(dir)) as { origin: { configuration: Record<string, unknown> } };
    const flat: Record<string, unknown> = { ...DEFAULTS };
    for (const [key, value] of Object.entries(origin.configuration)) {
      const [group, name = ''] = key.split('.');
      if (group === 'decode') assert.equal(value, flat[name], key);
    }
    assert.ok('decode.divergenceBudget' in origin.configuration);
    const rows = (await readTable(join(dir, 'texts.parquet'))) as Rows;
    assert.equal(
      rows.map(({ output_tokens }) => output_tokens),
      [256, 256],
    );
  });
});

/** Two prompts as the table of the partition. */
async function writePromptsTable(folder: string): Promise<void> {
  const dir = join(folder, 'lake/prompts/partition=a');
  mkdirSync(dir, { recursive: true });
  await writePrompts(dir, somePrompts(2));
}

test('by default one failed prompt of a hundred is fine, and one of ninety-nine is too much', async () => {
  await inFolder(async (folder) => {
    const files = ['--model', sampleModel, '--out', join(folder, 'texts.parquet')];
    const set = ['--set', `model.cache=${cache}`, '--set', 'decode.maxNewTokens=1'];
    for (const [good, code, says] of [
      [99, 0, /1 of 100 prompts could not be decoded/],
      [98, 1, /1 of 99 prompts can't be decoded, more than decode\.maxFailedShare \(0\.01\) allows/],
    ] as const) {
      const rows = [...somePrompts(good), { prompt_id: 'empty', prompt: '' }];
      const prompts = await writePrompts(folder, rows);
      const finished = await dare(['decode', ...files, '--prompts', prompts, ...set, '--quiet']);
      assert.is(finished.code, code, finished.stderr);
      assert.match(finished.stderr, says);
    }
  });
});

/** Each relaxed token stands somewhere in the text; the token that ends it doesn't. */
function checkPositions(row: Record<string, unknown>): void {
  const places = [...(row.relaxed_positions as number[])];
  const missing = (row.relaxed_tokens as number) - places.length;
  assert.ok(missing === 0 || (missing === 1 && row.finish_reason === 'stop'), `${row.prompt_id}: ${missing}`);
  for (const [i, place] of places.entries()) {
    assert.ok(
      place > (places[i - 1] ?? -1) && place < (row.output_tokens as number),
      `${row.prompt_id}: ${places}`,
    );
  }
}

test('no text gives away more than divergenceBudget: 4 nats by default, fewer when told', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    for (const stage of ['segment', 'prompts']) {
      const { code, stderr } = await dare([stage, '--config', config, '--quiet']);
      assert.is(code, 0, stderr);
    }
    copyFileSync(join(folder, 'lake/prompts/partition=a/prompts.parquet'), join(folder, 'prompts.parquet'));
    const spent = async (budget: number, settings: readonly string[]) => {
      const rows = await decodeAlone(folder, settings);
      const divergence = rows.map((row) => row.divergence as number);
      assert.ok(Math.max(...divergence) <= budget + 1e-9, `${Math.max(...divergence)} of ${budget} nats`);
      assert.ok(
        rows.some(({ relaxed_tokens }) => (relaxed_tokens as number) > 0),
        'nothing was relaxed: the test shows nothing',
      );
      for (const row of rows) {
        assert.is(row.relaxed_tokens === 0, row.divergence === 0, String(row.prompt_id));
        checkPositions(row);
      }
      return divergence;
    };
    const free = await spent(DEFAULTS.divergenceBudget, []);
    const less = Math.max(...free) / 2;
    await spent(less, [`decode.divergenceBudget=${less}`]);
  });
});

test.run();
