/** `--metrics-file`, `--log-level` and the log of stages, as a user and a collector see them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LEVELS } from '../../src/report/log.js';
import type { ProgressFields } from '../../src/report/progress.js';
import { dare, resultOf } from '../cli/spawn.js';
import { inFolder } from '../prompts/fixture.js';
import { cache, interruptDecode, sampleModel, smallCatalogue, somePrompts, writePrompts } from './fixture.js';

/** `name{labels}` -> value; fails on a line that isn't of the text exposition format. */
function parse(file: string): Map<string, number> {
  const values = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue;
    const [, kind, described, rest] = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line) ?? [];
    if (kind === 'TYPE') types.set(described as string, rest as string);
    if (kind !== undefined) continue;
    const [, name = '', labels, value] = /^(dare_\w+)\{((?:\w+="[^"]*",?)+)\} (\S+)$/.exec(line) ?? [];
    assert.ok(types.has(name), line);
    assert.is(name.endsWith('_total'), types.get(name) === 'counter', line);
    assert.not(values.has(`${name}{${labels}}`), line);
    values.set(`${name}{${labels}}`, Number(value));
  }
  return values;
}

const fast = ['--set', 'decode.maxNewTokens=20', '--set', 'decode.nodes=4', '--quiet'];

test('decode: the figures of the file are those of the JSON line', async () => {
  await inFolder(async (folder) => {
    const rows = [...somePrompts(5), { ...somePrompts(1)[0], prompt_id: 'empty', prompt: ' ' }];
    const prompts = await writePrompts(folder, rows);
    const file = join(folder, 'new', 'dare.prom');
    const files = ['--model', sampleModel, '--prompts', prompts, '--out', join(folder, 'texts.parquet')];
    const share = ['--set', 'decode.maxFailedShare=0.5', '--set', `model.cache=${cache}`];
    const done = await dare(['decode', ...files, ...fast, ...share, '--metrics-file', file]);
    assert.is(done.code, 0, done.stderr);
    const result = resultOf(done);
    const values = parse(file);
    const value = (name: string, more = '') => values.get(`dare_${name}{stage="decode",partition=""${more}}`);
    assert.is(value('rows_total', ',outcome="failed"'), 1);
    assert.is(value('rows_total', ',outcome="done"'), Number(result.rows) - 1);
    for (const [name, key] of [
      ['output_tokens_total', 'outputTokens'],
      ['emitted_tokens_total', 'emittedTokens'],
      ['decode_steps_total', 'decodeSteps'],
      ['drafted_tokens_total', 'draftedTokens'],
      ['accepted_tokens_total', 'acceptedTokens'],
      ['relaxed_tokens_total', 'relaxedTokens'],
      ['divergence_nats_total', 'divergence'],
      ['stage_seconds', 'seconds'],
    ] as const)
      assert.is(value(name), result[key], name);
    assert.ok(Number(value('output_tokens_total')) > 0);
    assert.is(value('rows_per_second'), Number(result.rows) / Number(result.seconds));
    assert.is(value('remaining_seconds'), 0);
    assert.equal([value('stage_running'), value('stage_failed')], [0, 0]);
    assert.ok(Math.abs(Number(value('last_success_timestamp_seconds')) - Date.now() / 1000) < 3600);
    assert.equal(readdirSync(join(folder, 'new')), ['dare.prom']);
  });
});

test('run: a series for each stage, and one begin and end in the log, in fields; then a stage that fails', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const file = join(folder, 'dare.prom');
    const metrics = ['--metrics-file', file];
    const done = await dare([
      'run',
      '--config',
      config,
      '--json',
      '--set',
      'decode.mode=autoregressive',
      ...metrics,
    ]);
    assert.is(done.code, 0, done.stderr);
    const stages = resultOf(done).stages as Record<string, { rows: number }>;
    const log = done.stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    checkProgress(log, { cohorts: 0, prompts: 1, pools: 0, decode: 1, features: 1 });
    const ends = log.filter(({ event }) => event === 'end');
    const order = ['segment', 'prompts', 'pools', 'decode', 'publish'];
    assert.equal(
      log.filter(({ event }) => event === 'start').map(({ stage }) => stage),
      ['run', ...order],
    );
    assert.equal(
      ends.map(({ stage }) => stage),
      [...order, 'run'],
    );
    const values = parse(file);
    for (const { stage, partition, rows, seconds } of ends) {
      const labels = `stage="${stage}",partition="${partition}"`;
      if (stage !== 'run') assert.is(rows, stages[String(stage)]?.rows);
      assert.is(values.get(`dare_rows_total{${labels},outcome="done"}`), rows);
      assert.is(values.get(`dare_stage_seconds{${labels}}`), seconds);
    }
    const text = readFileSync(join(folder, 'movies.csv'), 'utf8').split('\n')[1]?.split(',')[1] ?? '';
    assert.ok(text.length > 2);
    assert.not(done.stderr.includes(text));

    const success = 'dare_last_success_timestamp_seconds{stage="decode",partition="a"}';
    const before = values.get(success);
    assert.ok(before !== undefined);
    const failed = await dare(['decode', '--config', config, '--json', '--partition', 'none', ...metrics]);
    assert.is(failed.code, 2);
    const after = parse(file);
    assert.is(after.get('dare_stage_failed{stage="decode",partition="none"}'), 1);
    assert.is(after.get('dare_stage_running{stage="decode",partition="none"}'), 0);
    // an alert on the age of the last success must not lose it
    assert.is(after.get(success), before);
    assert.not(after.has('dare_rows_total{stage="decode",partition="a",outcome="done"}'));
    const { error, ...event } = JSON.parse(
      failed.stderr.split('\n').find((line) => line.includes('"fail"')) ?? '',
    );
    assert.match(error, /there are no prompts for the partition none/);
    assert.equal([event.stage, event.partition], ['decode', 'none']);
  });
});

/** Labels of progress, and whether a total was told: with it there is a time left. At the end all of it is done. */
function checkProgress(log: Record<string, unknown>[], labels: Record<string, number>): void {
  const lines = log.flatMap(({ progress }) => (progress === undefined ? [] : [progress as ProgressFields]));
  for (const [label, counted] of Object.entries(labels)) {
    const last = lines.filter((line) => line.label === label).at(-1);
    assert.is(last?.total !== null, counted === 1, `${label}: ${JSON.stringify(last)}`);
    if (counted === 1)
      assert.equal([last?.done, last?.remaining, (last?.rate ?? 0) > 0], [last?.total, 0, true]);
  }
}

test('evaluate and tune: metrics, lineage and the log as of a stage, and one progress over all texts', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const made = await dare(['run', '--config', config, ...fast]);
    assert.is(made.code, 0, made.stderr);
    const file = join(folder, 'dare.prom');
    const lineage = join(folder, 'lineage.jsonl');
    const files = ['--metrics-file', file, '--lineage-file', lineage];
    const on = ['--config', config, '--limit', '4', ...fast.slice(0, -1), '--json', ...files];
    const tried = ['--divergence-budget', '1', '--top-k', '2', '--min-prob', '0.1', '--nodes', '4'];
    for (const [stage, args, settings] of [
      ['evaluate', ['--divergence-budget', '1'], 4],
      ['tune', tried, 3],
    ] as const) {
      const done = await dare([stage, ...on, ...args]);
      assert.is(done.code, 0, done.stderr);
      const { rows, seconds, prompts } = resultOf(done);
      const values = parse(file);
      assert.is(values.get(`dare_rows_total{stage="${stage}",partition="a",outcome="done"}`), rows);
      assert.is(values.get(`dare_stage_seconds{stage="${stage}",partition="a"}`), seconds);
      const log = done.stderr
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.equal(
        log.flatMap(({ event, stage: of }) => (event === undefined ? [] : [[event, of]])),
        [
          ['start', stage],
          ['end', stage],
        ],
      );
      checkProgress(log, { texts: 1 });
      const texts = log.filter(({ progress }) => (progress as ProgressFields | undefined)?.label === 'texts');
      assert.is((texts.at(-1)?.progress as ProgressFields | undefined)?.total, settings * Number(prompts));
    }
    const events = readFileSync(lineage, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(
      events.map(({ eventType, job, outputs }) => [eventType, job.name, outputs.length]),
      [
        ['START', 'evaluate', 0],
        ['COMPLETE', 'evaluate', 1],
        ['START', 'tune', 0],
        ['COMPLETE', 'tune', 0],
      ],
    );
    const read = events[0].inputs.map(({ name }: { name: string }) => name);
    assert.ok(
      read.includes(join(folder, 'lake/prompts')) && read.includes(join(folder, 'ratings.csv')),
      read.join(),
    );
  });
});

test('an interrupted stage: the file says so, and how far it came', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'dare.prom');
    await interruptDecode(folder, ['--metrics-file', file]);
    const values = parse(file);
    assert.is(values.get('dare_stage_failed{stage="decode",partition=""}'), 1);
    assert.ok(Number(values.get('dare_rows_total{stage="decode",partition="",outcome="done"}')) < 40);
    assert.not(values.has('dare_last_success_timestamp_seconds{stage="decode",partition=""}'));
  });
});

test('a file of someone else stays as it is; a folder in its place is an error', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'mine\n');
    mkdirSync(join(folder, 'dare.prom'));
    for (const [name, message] of [
      ['notes.txt', /notes\.txt is there, and isn't of dare/],
      ['dare.prom', /dare\.prom can't be read/],
    ] as const) {
      const args = ['segment', '--config', 'none.yaml', '--metrics-file', join(folder, name)];
      const { code, stderr } = await dare(args);
      assert.is(code, 2);
      assert.match(stderr, message);
    }
    assert.is(readFileSync(file, 'utf8'), 'mine\n');
  });
});

test('--log-level: from warn on nothing is said of progress; what is no level is refused', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const levels = await Promise.all(
      ['debug', 'info', 'warn'].map((level) => {
        const lake = ['--lake', join(folder, level)];
        return dare(['segment', '--config', config, ...lake, '--log-level', level]);
      }),
    );
    const [debug = '', info = '', warn] = levels.map(({ stderr }) => stderr);
    assert.match(debug, /segment: end \(event end, stage segment, partition a, rows \d+, seconds /);
    assert.match(info, /cohorts: started\n/);
    assert.not.match(info, /event/);
    assert.is(warn, '');
    const silent = await dare(['decode', '--config', config, '--log-level', 'silent']);
    assert.equal([silent.code, silent.stderr], [2, '']);
    const refused: [string[], RegExp][] = [
      [['--log-level', 'loud'], new RegExp(`--log-level is loud: expected one of ${LEVELS.join(', ')}`)],
      [['--log-level', 'info', '--quiet'], /--log-level and --quiet exclude each other/],
    ];
    for (const [args, message] of refused) {
      const { code, stderr } = await dare(['segment', '--config', config, ...args]);
      assert.is(code, 2);
      assert.match(stderr, message);
    }
  });
});

test.run();
