/** `dare status` and what `dare run` skips, on a small catalogue. */
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Freshness } from '../../pipeline/freshness.js';
import { status } from '../../pipeline/status.js';
import { loadConfig } from '../../src/config/load.js';
import { Lake, type TableName, tableNames } from '../../src/lake/lake.js';
import { defaultTemplates } from '../../src/text/template-folder.js';
import { dare, resultOf } from '../cli/spawn.js';
import { assertUntouched, bytesBelow, inFolder } from '../prompts/fixture.js';
import { copyModel, editJson, smallCatalogue } from './fixture.js';

async function statusOf(config: string, overrides: string[] = []): Promise<Freshness[]> {
  const loaded = loadConfig(config, overrides);
  const result = await status({ config: loaded, lake: new Lake(loaded.lake) });
  return result.tables as Freshness[];
}

function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8');
  assert.ok(text.includes(from), `${file} holds ${from}`);
  writeFileSync(file, text.replace(from, to));
}

const all = [...tableNames];
interface Change {
  name: string;
  /** Changes something in the folder; returns overrides of the configuration. */
  change: (folder: string) => string[];
  /** Table -> how its line goes on behind its name; the others are fresh. */
  says: Partial<Record<TableName, RegExp>>;
}

const ratings = /^stale inputs\.ratings: \S+ratings\.csv changed/;
const behindPrompts = { texts: /^stale the table prompts is stale$/ };
const changes: Change[] = [
  { name: 'nothing', change: () => [], says: {} },
  {
    name: 'files touched, moved and listed otherwise',
    change: (folder) => {
      utimesSync(join(folder, 'movies.csv'), new Date(0), new Date(0));
      cpSync(join(folder, 'ratings.csv'), join(folder, 'elsewhere.csv'));
      const model = copyModel(folder);
      return [`inputs.ratings.path=[${folder}/elsewhere.csv]`, `model.path=${model}`];
    },
    says: {},
  },
  {
    name: 'keys that decide nothing',
    change: () => ['decode.concurrency=3', 'decode.maxFailedShare=0.5', 'model.threads=1'],
    says: {},
  },
  {
    name: 'a rating',
    change: (folder) => {
      edit(join(folder, 'ratings.csv'), ',5,', ',3,');
      return [];
    },
    says: { cohorts: ratings, prompts: ratings, ...behindPrompts, features: ratings },
  },
  {
    name: 'a second file of ratings',
    change: (folder) => {
      edit(join(folder, 'dare.yaml'), 'ratings.csv', 'ratings*.csv');
      writeFileSync(join(folder, 'ratings-2.csv'), readFileSync(join(folder, 'ratings.csv')));
      return [];
    },
    says: {
      cohorts: /^stale inputs\.ratings: \S+ratings-2\.csv is new$/,
      prompts: /ratings-2\.csv is new, the table cohorts is stale$/,
      ...behindPrompts,
      features: /ratings-2\.csv is new/,
    },
  },
  {
    name: 'an input that is gone',
    change: (folder) => {
      rmSync(join(folder, 'movies.csv'));
      return [];
    },
    says: {
      cohorts: /^stale inputs\.items\.path: the file was not found: /,
      prompts: /the file was not found/,
      ...behindPrompts,
      features: /the file was not found/,
    },
  },
  {
    name: 'a key of segment',
    change: () => ['cohorts.users.groups=3'],
    says: {
      cohorts: /^stale cohorts\.users\.groups: 2 -> 3$/,
      prompts: /^stale the table cohorts is stale$/,
      ...behindPrompts,
      features: /^stale the table cohorts is stale, the table texts is stale$/,
    },
  },
  {
    name: 'frameworks',
    change: () => ['prompts.frameworks=[kar,once]'],
    says: {
      prompts:
        /^stale prompts\.templates: \S+once-item\.txt \(and 1 more\) is new, prompts\.frameworks: \["kar"\] -> \["kar","once"\]$/,
      ...behindPrompts,
      features: /^stale prompts\.frameworks: \["kar"\] -> \["kar","once"\], the table texts is stale$/,
    },
  },
  {
    name: 'a template',
    change: (folder) => {
      cpSync(defaultTemplates, join(folder, 'templates'), { recursive: true });
      appendFileSync(join(folder, 'templates/kar-item.txt'), 'Be brief.\n');
      return [`prompts.templates=${folder}/templates`];
    },
    says: {
      prompts: /^stale prompts\.templates: \S+templates\/kar-item\.txt is new, \S+kar-item\.txt is gone$/,
      ...behindPrompts,
      features: /^stale the table texts is stale$/,
    },
  },
  {
    name: 'a key of pools',
    change: () => ['pools.maxLength=4'],
    says: { pools: /^stale pools\.maxLength: 6 -> 4$/ },
  },
  {
    name: 'keys of decode',
    change: () => ['decode.maxNewTokens=8', 'decode.stop=["."]'],
    says: {
      texts: /^stale decode\.maxNewTokens: 12 -> 8, decode\.stop: \[\] -> \["\."\]$/,
      features: /^stale the table texts is stale$/,
    },
  },
  {
    name: 'the mode, with bounds that it has not',
    change: () => ['decode.mode=greedy', 'decode.minProb=0.5'],
    says: {
      texts: /decode\.minProb: 0\.05 -> unset, decode\.mode: relaxed -> greedy/,
      features: /^stale the table texts is stale$/,
    },
  },
  {
    name: 'the type of the weights',
    change: () => ['model.weights=int8'],
    says: { texts: /model\.weights: auto -> int8/, features: /the table texts is stale/ },
  },
  {
    name: 'the end tokens of the model',
    change: (folder) => {
      const model = copyModel(folder);
      editJson(join(model, 'generation_config.json'), { eos_token_id: 3 });
      return [`model.path=${model}`];
    },
    says: {
      prompts: /^stale the tokenizer: \S+model\/generation_config\.json is new/,
      pools: /^stale the tokenizer: /,
      texts: /^stale the tokenizer: /,
      features: /^stale the table texts is stale$/,
    },
  },
  {
    name: 'a table in part, as of a disk that lost it',
    change: (folder) => {
      writeFileSync(join(folder, 'lake/prompts/partition=a/prompts.parquet'), 'PAR1');
      return [];
    },
    says: {
      prompts: /^stale prompts\.parquet isn't the file that its _manifest\.json describes$/,
      ...behindPrompts,
      features: /^stale the table texts is stale$/,
    },
  },
  {
    name: 'tables that are gone',
    change: (folder) => {
      rmSync(join(folder, 'lake/texts/partition=a'), { recursive: true });
      rmSync(join(folder, 'lake/prompts/partition=a/prompts.parquet'));
      return [];
    },
    says: { prompts: /^missing$/, texts: /^missing$/, features: /^stale the table texts is gone$/ },
  },
  {
    name: 'another version of the package, and a manifest of before there were origins',
    change: (folder) => {
      const manifest = (table: string) => join(folder, `lake/${table}/partition=a/_manifest.json`);
      edit(manifest('cohorts'), '"dare": "0', '"dare": "0.0');
      editJson(manifest('pools'), { origin: undefined });
      return [];
    },
    says: {
      cohorts: /^stale dare: 0\.0\S+ -> 0\S+$/,
      prompts: /^stale the table cohorts is stale$/,
      pools: /^stale its _manifest\.json doesn't say what it was made from$/,
      ...behindPrompts,
      features: /^stale the table cohorts is stale, the table texts is stale$/,
    },
  },
  {
    name: 'a finished shard that publish has to join',
    change: (folder) => {
      const unfinished = new Lake(join(folder, 'lake')).unfinished('texts', 'a');
      mkdirSync(unfinished, { recursive: true });
      writeFileSync(join(unfinished, 'part-1-of-2.parquet'), '');
      return [];
    },
    says: { features: /^stale shards of the texts wait to be joined$/ },
  },
  {
    name: 'a quality gate that the published texts do not pass: all are cut off',
    change: () => ['publish.quality.cut=0.5', 'publish.quality.empty=0'],
    says: {
      features:
        /^stale publish\.quality\.cut: 100% cut off \(finish_reason length or context\), more than 50%$/,
    },
  },
  {
    name: 'a quality gate that they pass',
    change: () => ['publish.quality.repetitive=0.5', 'publish.quality.failed=0'],
    says: {},
  },
  {
    name: 'a manifest that is broken',
    change: (folder) => {
      writeFileSync(join(folder, 'lake/features/partition=a/_manifest.json'), '{"stage": ');
      return [];
    },
    says: { features: /^stale \S+_manifest\.json isn't JSON, or is cut off/ },
  },
];

test('status says of each table what changed, and a second run does nothing', () =>
  inFolder(async (folder) => {
    const made = join(folder, 'made');
    mkdirSync(made);
    const { config } = smallCatalogue(made);
    const first = await dare(['run', '--config', config, '--quiet', '--skip-exit-code', '99']);
    assert.is(first.code, 0, first.stderr);
    await checkSecondRun(made, config);
    await checkStricterGate(made, config);
    const backup = join(folder, 'backup');
    cpSync(made, backup, { recursive: true, preserveTimestamps: true });
    for (const { name, change, says } of changes) {
      const overrides = change(made);
      const tables = await statusOf(config, overrides);
      assert.equal(
        tables.map(({ table }) => table),
        all,
      );
      for (const { table, partition, state, reasons } of tables) {
        assert.is(partition, 'a');
        const line = `${state} ${reasons.join(', ')}`.trim();
        assert.match(line, says[table] ?? /^fresh$/, `${name}: ${table}: ${line}`);
      }
      rmSync(made, { recursive: true });
      cpSync(backup, made, { recursive: true, preserveTimestamps: true });
    }
  }));

/** A gate that was made stricter is asked again: the run fails there, and the features stay. */
async function checkStricterGate(folder: string, config: string): Promise<void> {
  const before = bytesBelow(folder);
  const refused = await dare(['run', '--config', config, '--set', 'publish.quality.cut=0.5']);
  assert.is(refused.code, 1, refused.stderr);
  assert.equal(refused.stderr.match(/^(\w+): skipped, its table is fresh/gm)?.length, 4, refused.stderr);
  assert.match(refused.stderr, /^publish: its table is stale; publish\.quality\.cut: 100% cut off/m);
  assert.match(refused.stderr, /100% cut off .*, more than publish\.quality\.cut \(50%\) allows/);
  assertUntouched(folder, before);
}

/** Nothing is written, and every way of asking says that there was nothing to do. */
async function checkSecondRun(folder: string, config: string): Promise<void> {
  const before = bytesBelow(folder);
  const again = await dare(['run', '--config', config, '--skip-exit-code', '99']);
  assert.is(again.code, 99, again.stderr);
  const result = resultOf(again);
  assert.is(result.skipped, true);
  assert.is(again.stderr.match(/: skipped, its table is fresh/g)?.length, 5);
  for (const stage of ['pools', 'decode']) {
    const one = await dare([stage, '--config', config, '--skip-exit-code', '98', '--quiet']);
    assert.is(one.code, 98, one.stderr);
    assert.is(resultOf(one).rows, (result.stages as Record<string, { rows: number }>)[stage]?.rows);
  }
  assert.is((await dare(['run', '--config', config])).code, 0, 'without --skip-exit-code');
  assertUntouched(folder, before);
  const shown = await dare(['status', '--config', config]);
  assert.is(shown.code, 0);
  assert.equal(shown.stderr.match(/ {2}fresh$/gm)?.length, 5, shown.stderr);
  const { fresh, stale, missing } = resultOf(shown);
  assert.equal([fresh, stale, missing], [5, 0, 0]);
}

test('a stage that is asked for runs, and --force runs all', () =>
  inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const manifest = join(folder, 'lake/cohorts/partition=a/_manifest.json');
    const mark = () => editJson(manifest, { marked: true });
    const marked = () => readFileSync(manifest, 'utf8').includes('marked');
    const common = ['--config', config, '--quiet', '--set', 'decode.maxNewTokens=1'];
    assert.is((await dare(['run', ...common])).code, 0);
    mark();
    assert.is((await dare(['run', ...common])).code, 0);
    assert.ok(marked(), 'skipped');
    assert.is((await dare(['segment', ...common])).code, 0);
    assert.not.ok(marked(), 'asked for');
    mark();
    const forced = resultOf(await dare(['run', '--force', ...common]));
    assert.is(forced.skipped, false);
    assert.not.ok(marked(), 'forced');
  }));

test('every partition of the lake is shown, or the one that is asked for', () =>
  inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    for (const partition of ['b', 'c'])
      assert.is((await dare(['segment', '--config', config, '--partition', partition, '--quiet'])).code, 0);
    const states = (tables: unknown) =>
      (tables as Freshness[]).map(({ partition, table, state }) => `${partition} ${table} ${state}`);
    const shown = resultOf(await dare(['status', '--config', config, '--quiet']));
    assert.is(states(shown.tables).length, 15);
    assert.ok(
      states(shown.tables).includes('a cohorts missing'),
      'the configured one, which is not there yet',
    );
    assert.ok(states(shown.tables).includes('c cohorts fresh'));
    const one = resultOf(await dare(['status', '--config', config, '--quiet', '--partition', 'b']));
    assert.equal(
      states(one.tables),
      all.map((table) => `b ${table} ${table === 'cohorts' ? 'fresh' : 'missing'}`),
    );
  }));

test('status needs a configuration and takes no options of stages', async () => {
  for (const [args, says] of [
    [['status'], /--config FILE is missing/],
    [['status', '--config', 'x', '--force'], /dare status has no option --force \(it belongs to dare run\)/],
    [['status', 'x', '--config', 'x'], /unexpected argument "x"/],
  ] as const) {
    const { code, stderr } = await dare(args);
    assert.is(code, 2);
    assert.match(stderr, says);
  }
});

test.run();
