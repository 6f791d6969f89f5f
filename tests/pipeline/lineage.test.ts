/** `--lineage-file`: events that OpenLineage's specification allows, in pairs, also where a stage fails or is stopped. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { dare, resultOf } from '../cli/spawn.js';
import { inFolder, schemaOf } from '../prompts/fixture.js';
import { interruptDecode, sampleModel, smallCatalogue } from './fixture.js';

// What spec/2-0-2/OpenLineage.json and the facets' files require.
const uri = z.string().regex(/^[a-z][a-z0-9+.-]*:\S+$/);
const base = { _producer: uri, _schemaURL: uri };
const job = z.object({ namespace: z.string().min(1), name: z.string().min(1) });
const parent = z.object({ ...base, run: z.object({ runId: z.uuid() }), job });
const error = z.object({ ...base, message: z.string(), programmingLanguage: z.string() });
const field = z.object({ name: z.string(), type: z.string() });
const key = z.object({ column: z.string(), value: z.string() });
const partitions = z.array(z.object({ identifier: z.array(key) }));
const dataset = z.object({
  namespace: z.literal('file'),
  name: z.string().startsWith('/'),
  facets: z.strictObject({
    dataSource: z.object({ ...base, name: z.string(), uri }),
    schema: z.object({ ...base, fields: z.array(field) }).optional(),
    partitioning: z.object({ ...base, partitions }).optional(),
  }),
});
const statistics = z.object({ ...base, rowCount: z.int(), size: z.int() });
const inputStatistics = z.object({ ...base, rowCount: z.int().optional(), size: z.int().optional() });
const input = dataset.extend({ inputFacets: z.strictObject({ inputStatistics }).optional() });
const runEvent = z.object({
  eventType: z.enum(['START', 'COMPLETE', 'FAIL', 'ABORT']),
  eventTime: z.iso.datetime(),
  producer: uri,
  schemaURL: z.literal('https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent'),
  run: z.object({
    runId: z.uuid(),
    facets: z.strictObject({ parent: parent.optional(), errorMessage: error.optional() }),
  }),
  job,
  inputs: z.array(input),
  outputs: z.array(dataset.extend({ outputFacets: z.object({ outputStatistics: statistics }) })),
});
type RunEvent = z.output<typeof runEvent>;

/** The events of a file; fails where one breaks the specification. */
function eventsIn(file: string): RunEvent[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.map((line) => runEvent.parse(JSON.parse(line)));
}

/** Begin and end of each run by its job; fails where a run hasn't one of each, in this order. */
function pairs(events: readonly RunEvent[]): Map<string, { start: RunEvent; end: RunEvent }> {
  const runs = new Map<string, RunEvent[]>();
  for (const event of events) runs.set(event.run.runId, [...(runs.get(event.run.runId) ?? []), event]);
  return new Map(
    [...runs.values()].map(([start, end, ...more]) => {
      assert.ok(start !== undefined && end !== undefined && more.length === 0);
      assert.is(start.eventType, 'START');
      assert.is.not(end.eventType, 'START');
      assert.equal(end.job, start.job);
      return [start.job.name, { start, end }];
    }),
  );
}

test('run: each stage has a run with the parent run; data sets link one stage to the next', async () => {
  await inFolder(async (folder) => {
    const { config } = smallCatalogue(folder);
    const file = join(folder, 'new', 'lineage.jsonl');
    const mode = ['--set', 'decode.mode=autoregressive'];
    // texts for pools
    const earlier = await dare(['run', '--config', config, '--quiet', ...mode, '--partition', '0']);
    assert.is(earlier.code, 0, earlier.stderr);
    const done = await dare(['run', '--config', config, '--quiet', ...mode, '--lineage-file', file]);
    assert.is(done.code, 0, done.stderr);
    const stages = resultOf(done).stages as Record<string, { rows: number }>;
    const runs = pairs(eventsIn(file));
    assert.equal([...runs.keys()], ['run', 'segment', 'prompts', 'pools', 'decode', 'publish']);
    const whole = runs.get('run')?.start.run.runId;
    for (const [name, { start, end }] of runs) {
      assert.is(end.eventType, 'COMPLETE');
      for (const { run } of [start, end])
        assert.is(run.facets.parent?.run.runId, name === 'run' ? undefined : whole);
      for (const { outputFacets } of end.outputs)
        assert.is(outputFacets.outputStatistics.rowCount, stages[name]?.rows);
    }
    const table = (name: string) => join(folder, 'lake', name);
    const reads = (name: string) => runs.get(name)?.start.inputs.map((input) => input.name) ?? [];
    const inputOf = (stage: string, name: string) =>
      runs
        .get(stage)
        ?.start.inputs.find(
          (one) => one.name === name && one.facets.partitioning?.partitions[0]?.identifier[0]?.value !== '0',
        );
    const fieldsOf = (one: z.output<typeof input> | undefined) =>
      one?.facets.schema?.fields.map(({ name, type }) => [name, type]);
    const statisticsOf = (one: z.output<typeof input> | undefined) => {
      const { rowCount, size } = one?.inputFacets?.inputStatistics ?? {};
      return [rowCount, size];
    };
    // CSV: the columns as the stage reads them; its rows aren't counted for this
    const movies = join(folder, 'movies.csv');
    const header = readFileSync(movies, 'utf8').split('\n')[0]?.trimEnd().split(',');
    assert.equal(
      fieldsOf(inputOf('segment', movies)),
      header?.map((name) => [name, 'VARCHAR']),
    );
    assert.equal(statisticsOf(inputOf('segment', movies)), [undefined, statSync(movies).size]);
    const prompts = inputOf('decode', join(folder, 'lake/prompts'));
    const promptsFile = join(folder, 'lake/prompts/partition=a/prompts.parquet');
    assert.equal(statisticsOf(prompts), [stages.prompts?.rows, statSync(promptsFile).size]);
    assert.is(fieldsOf(prompts)?.[0]?.[0], 'prompt_id');
    const pools = inputOf('decode', join(folder, 'lake/pools'));
    assert.is(statisticsOf(pools)[0], stages.pools?.rows);
    assert.ok(Number(stages.pools?.rows) > 0);
    assert.ok(fieldsOf(pools)?.some(([name, type]) => name === 'leaf_token' && type === 'INTEGER[]'));
    assert.ok(reads('prompts').includes(table('cohorts')));
    assert.ok(reads('decode').includes(table('prompts')));
    assert.ok(reads('publish').includes(table('texts')));
    const [texts, ...others] = runs.get('decode')?.end.outputs ?? [];
    assert.equal([texts?.name, others], [table('texts'), []]);
    const path = join(table('texts'), 'partition=a/texts.parquet');
    assert.is(texts?.outputFacets.outputStatistics.size, statSync(path).size);
    const fields = texts?.facets.schema?.fields.map(({ name, type }) => [name, type]);
    // with the column that the folder's name adds for readers
    assert.equal(Object.fromEntries(fields ?? []), { ...(await schemaOf(path)), partition: 'VARCHAR' });
    assert.equal(texts?.facets.partitioning?.partitions, [
      { identifier: [{ column: 'partition', value: 'a' }] },
    ]);

    // the file grows
    const failed = await dare(['decode', '--config', config, '--partition', 'none', '--lineage-file', file]);
    assert.is(failed.code, 2);
    const events = eventsIn(file);
    assert.is(events.length, 14);
    const { end } = pairs(events.slice(12)).get('decode') ?? {};
    assert.is(end?.eventType, 'FAIL');
    assert.match(end?.run.facets.errorMessage?.message ?? '', /there are no prompts for the partition none/);
  });
});

test('stopped by a signal: ABORT', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'lineage.jsonl');
    const prompts = await interruptDecode(folder, ['--lineage-file', file]);
    const { start, end } = pairs(eventsIn(file)).get('decode') ?? {};
    assert.equal(
      start?.inputs.map(({ name }) => name),
      [prompts, sampleModel],
    );
    assert.is(end?.eventType, 'ABORT');
    assert.equal(end?.outputs, []);
  });
});

test('a file of someone else stays as it is', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'notes.txt');
    writeFileSync(file, 'mine\n');
    const { code, stderr } = await dare(['segment', '--config', 'none.yaml', '--lineage-file', file]);
    assert.is(code, 2);
    assert.match(stderr, /notes\.txt is there, and holds no events/);
    assert.is(readFileSync(file, 'utf8'), 'mine\n');
  });
});

test.run();
