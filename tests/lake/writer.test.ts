import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { sortInto } from '../../src/lake/sort.js';
import { FeatureWriter, type TextRow, type WriterOptions } from '../../src/lake/writer.js';
import { errorOf, inFolder, moduleUrl, runScript } from './temporary.js';

const types = [
  'prompt_id VARCHAR, entity_type VARCHAR, entity_id VARCHAR, framework VARCHAR, cohort VARCHAR, text VARCHAR',
  'output_token_ids INTEGER[], vector FLOAT[], finish_reason VARCHAR, prompt_tokens INTEGER, output_tokens INTEGER, emitted_tokens INTEGER',
  'decode_steps INTEGER, drafted_tokens INTEGER, accepted_tokens INTEGER, relaxed_tokens INTEGER',
  'relaxed_positions INTEGER[], divergence DOUBLE, near_ties INTEGER, pool_version VARCHAR, round INTEGER, error VARCHAR, text_key VARCHAR',
].join(', ');
/** A part has two more, which the table is made without. */
const partTypes = `${types}, ended BOOLEAN, taken_over BOOLEAN`;

const nothing: Omit<TextRow, 'promptId'> = {
  entityType: null,
  entityId: null,
  framework: null,
  cohort: null,
  text: null,
  outputTokenIds: null,
  vector: null,
  finishReason: null,
  promptTokens: null,
  outputTokens: null,
  emittedTokens: null,
  decodeSteps: null,
  draftedTokens: null,
  acceptedTokens: null,
  relaxedTokens: null,
  relaxedPositions: null,
  divergence: null,
  nearTies: null,
  poolVersion: null,
  round: null,
  error: null,
  textKey: null,
  ended: null,
  takenOver: false,
};

const full: TextRow = {
  promptId: 'kar:item:1',
  entityType: 'item',
  entityId: '1',
  framework: 'kar',
  cohort: 'Drama, "odd"',
  text: 'Amélie 🎬 中文\n\0"quoted"',
  outputTokenIds: Int32Array.of(0, 1, 2 ** 31 - 1, -(2 ** 31)),
  vector: Float32Array.from({ length: 256 }, (_, i) => Math.sin(i) / 3),
  finishReason: 'stop',
  promptTokens: 1,
  outputTokens: 2,
  emittedTokens: 8,
  decodeSteps: 3,
  draftedTokens: 4,
  acceptedTokens: 5,
  relaxedTokens: 6,
  relaxedPositions: [0, 2],
  divergence: 0.1 + 0.2,
  nearTies: 7,
  poolVersion: 'v',
  round: 0,
  error: '',
  textKey: '0f',
  ended: true,
  takenOver: true,
};

async function write(file: string, rows: readonly TextRow[], options?: WriterOptions): Promise<void> {
  const writer = await FeatureWriter.open(file, options);
  for (const row of rows) await writer.append(row);
  assert.is((await writer.close()).rows, rows.length);
}

async function query(sql: string, file: string): Promise<Record<string, unknown>[]> {
  const duck = await Duck.open();
  try {
    return await duck.rows(sql, { file });
  } finally {
    duck.close();
  }
}

const read = (file: string) => query('select * from read_parquet($file)', file);

/** What DuckDB should give for a row. */
function expected(row: TextRow): unknown[] {
  // In the order of the columns, which is that of `full`.
  return Object.values({
    ...full,
    ...row,
    outputTokenIds: list(row.outputTokenIds),
    relaxedPositions: list(row.relaxedPositions),
    vector: list(row.vector),
  });
}

function list(values: ArrayLike<number> | null): number[] | null {
  return values === null ? null : Array.from(values);
}

for (const compression of ['SNAPPY', 'GZIP'] as const) {
  test(`every column is read back as it was written: full, null and empty (${compression})`, () =>
    inFolder(async (root) => {
      const file = join(root, 't.parquet');
      const rows: TextRow[] = [
        full,
        { ...nothing, promptId: 'null' },
        { ...full, promptId: 'empty', text: '', outputTokenIds: [], vector: [] },
        { ...full, promptId: 'one', outputTokenIds: [5], vector: Float32Array.of(-0.5) },
        { ...nothing, promptId: '', error: 'the prompt has 2,000 tokens, the context holds 1,024' },
      ];
      await write(file, rows, { compression });
      assert.equal(
        (await read(file)).map((row) => Object.values(row)),
        rows.map(expected),
      );
      const columns = await query(
        'select column_name, column_type from (describe select * from read_parquet($file))',
        file,
      );
      assert.is(columns.map((row) => `${row.column_name} ${row.column_type}`).join(', '), partTypes);
      assert.equal(readdirSync(root), ['t.parquet']);
    }));
}

test('a table without rows has its columns and types', () =>
  inFolder(async (root) => {
    await write(join(root, 'part'), []);
    await sortInto([join(root, 'part')], join(root, 'a.parquet'));
    assert.is(await sortInto([], join(root, 'b.parquet')), 0);
    for (const name of ['part', 'a.parquet', 'b.parquet']) {
      assert.equal(await read(join(root, name)), []);
      const columns = await query(
        'select column_name, column_type from (describe select * from read_parquet($file))',
        join(root, name),
      );
      const wanted = name === 'part' ? partTypes : types;
      assert.is(columns.map((row) => `${row.column_name} ${row.column_type}`).join(', '), wanted);
    }
    assert.equal(readdirSync(root).sort(), ['a.parquet', 'b.parquet', 'part']);
  }));

test('any rows in any row groups are read back (property)', async () => {
  // DuckDB's binding leaves out a byte order mark at the beginning of a value that it reads; the file holds it
  const string = (maxLength: number) =>
    fc.string({ unit: 'binary', maxLength }).filter((value) => !value.startsWith('\ufeff'));
  const text = fc.option(string(12));
  const count = fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
  const row: fc.Arbitrary<TextRow> = fc.record({
    promptId: string(5),
    entityType: text,
    entityId: text,
    framework: text,
    cohort: text,
    text,
    outputTokenIds: fc.option(fc.int32Array({ maxLength: 20 })),
    vector: fc.option(fc.float32Array({ maxLength: 20, noNaN: true, noDefaultInfinity: true })),
    finishReason: fc.option(fc.constantFrom('stop', 'length', 'context')),
    promptTokens: count,
    outputTokens: count,
    emittedTokens: count,
    decodeSteps: count,
    draftedTokens: count,
    acceptedTokens: count,
    relaxedTokens: count,
    relaxedPositions: fc.option(
      fc.array(fc.nat(2 ** 31 - 1), { maxLength: 5 }).map((ids) => Int32Array.from(ids)),
    ),
    divergence: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    nearTies: count,
    poolVersion: text,
    round: count,
    error: text,
    textKey: text,
    ended: fc.option(fc.boolean()),
    takenOver: fc.boolean(),
  });
  const limits = fc.record({
    rowGroupRows: fc.integer({ min: 1, max: 100 }),
    rowGroupBytes: fc.integer({ min: 1, max: 5000 }),
  });
  await inFolder(async (root) => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 150 }), limits, async (rows, options) => {
        const file = join(root, 't.parquet');
        await write(file, rows, options);
        assert.equal(
          (await read(file)).map((found) => Object.values(found)),
          rows.map(expected),
        );
      }),
      { numRuns: 40 },
    );
  });
});

test('row groups are bounded by rows and by bytes', () =>
  inFolder(async (root) => {
    const file = join(root, 't.parquet');
    const groups = async (rows: number, options: WriterOptions) => {
      await write(
        file,
        Array.from({ length: rows }, (_, i) => ({ ...full, promptId: `k${i}` })),
        options,
      );
      const sql =
        'select max(row_group_num_rows) as n from parquet_metadata($file) group by row_group_id order by row_group_id';
      return (await query(sql, file)).map(({ n }) => Number(n));
    };
    assert.equal(await groups(25, { rowGroupRows: 10 }), [10, 10, 5]);
    // A row counts 1,228 bytes here: two vectors' worth and its text.
    assert.equal(await groups(7, { rowGroupBytes: 3000 }), [3, 3, 1]);
    assert.equal(await groups(600, {}), [256, 256, 88]);
  }));

test('rows appended without waiting are all there, in order', () =>
  inFolder(async (root) => {
    const file = join(root, 't.parquet');
    const writer = await FeatureWriter.open(file, { rowGroupRows: 7 });
    const ids = Array.from({ length: 100 }, (_, i) => `k${i}`);
    await Promise.all([...ids.map((promptId) => writer.append({ ...full, promptId })), writer.close()]);
    assert.equal(
      (await read(file)).map((row) => row.prompt_id),
      ids,
    );
  }));

test('metadata is stored with the file', () =>
  inFolder(async (root) => {
    const file = join(root, 'part');
    await write(file, [full], { metadata: { model: 'é', mode: 'relaxed' } });
    const sql =
      'select decode(key) as key, decode(value) as value from parquet_kv_metadata($file) order by key';
    assert.equal(await query(sql, file), [
      { key: 'mode', value: 'relaxed' },
      { key: 'model', value: 'é' },
    ]);
    await sortInto([file], join(root, 't.parquet'), { metadata: { mode: 'greedy' } });
    assert.equal(await query(sql, join(root, 't.parquet')), [{ key: 'dare', value: '{"mode":"greedy"}' }]);
  }));

for (const [what, change, words] of [
  ['a vector with NaN', { vector: Float32Array.of(0, Number.NaN) }, 'vector holds NaN'],
  ['an infinite divergence', { divergence: Number.POSITIVE_INFINITY }, 'divergence holds Infinity'],
  ['a count beyond 32 bits', { promptTokens: 2 ** 31 }, 'prompt_tokens holds 2147483648'],
  ['a fraction for a count', { round: 0.5 }, 'round holds 0.5'],
] as const) {
  test(`${what} is refused, and the writer goes on`, () =>
    inFolder(async (root) => {
      const file = join(root, 't.parquet');
      const writer = await FeatureWriter.open(file);
      const error = await errorOf(() => writer.append({ ...full, ...change }));
      assert.is(error.exitCode, 1);
      assert.is(error.message, `prompt "kar:item:1": ${words}, which can't be stored`);
      await writer.append(full);
      await writer.close();
      assert.is((await read(file)).length, 1);
    }));
}

test('nothing is published before close, and nothing after abort', () =>
  inFolder(async (root) => {
    const file = join(root, 't.parquet');
    writeFileSync(file, 'old');
    const writer = await FeatureWriter.open(file, { rowGroupRows: 1 });
    await writer.append(full);
    assert.is(readFileSync(file, 'utf8'), 'old');
    const late = errorOf(() => writer.append(full));
    await writer.abort();
    await writer.abort();
    assert.match((await late).message, /was given up/);
    assert.match((await errorOf(() => writer.close())).message, /was given up/);
    assert.is(readFileSync(file, 'utf8'), 'old');
    assert.equal(readdirSync(root), ['t.parquet']);
    const closed = await FeatureWriter.open(file);
    await closed.close();
    await closed.abort();
    assert.ok(existsSync(file));
    assert.match((await errorOf(() => closed.append(full))).message, /closed|given up/);
  }));

test('parts are joined in the order of prompt_id, the same bytes whatever the parts and threads', () =>
  inFolder(async (root) => {
    const rows = Array.from({ length: 300 }, (_, i) => ({
      ...full,
      promptId: `k${(i * 7) % 300}`,
      round: i % 3,
    }));
    const parts = [0, 1, 2].map((k) => join(root, `part-${k}`));
    for (const [k, part] of parts.entries())
      await write(
        part,
        rows.filter((_, i) => i % 3 === k),
      );
    const one = join(root, 'one.parquet');
    assert.is(await sortInto(parts, one, { threads: 1 }), 300);
    const ids = (await read(one)).map((row) => String(row.prompt_id));
    assert.equal(ids, rows.map((row) => row.promptId).sort());
    await write(join(root, 'all'), [...rows].reverse());
    await sortInto([join(root, 'all')], join(root, 'two.parquet'), { threads: 2 });
    assert.ok(readFileSync(one).equals(readFileSync(join(root, 'two.parquet'))));
  }));

test('joining a broken part is an error and leaves the old table', () =>
  inFolder(async (root) => {
    const file = join(root, 't.parquet');
    writeFileSync(file, 'old');
    await write(join(root, 'good'), [full]);
    writeFileSync(join(root, 'bad'), readFileSync(join(root, 'good')).subarray(0, 200));
    const error = await errorOf(() => sortInto([join(root, 'good'), join(root, 'bad')], file));
    assert.is(error.exitCode, 1);
    assert.ok(error.message.startsWith(`the parts could not be joined: ${file}: `), error.message);
    assert.is(readFileSync(file, 'utf8'), 'old');
    assert.equal(readdirSync(root).sort(), ['bad', 'good', 't.parquet']);
  }));

test('a folder without permission, or no folder, is a clear error', () =>
  inFolder(async (root) => {
    mkdirSync(join(root, 'closed'), { mode: 0o555 });
    const source = `
      import { FeatureWriter } from ${JSON.stringify(moduleUrl('src/lake/writer.js'))};
      await FeatureWriter.open(${JSON.stringify(join(root, 'closed', 't.parquet'))}).catch((error) => console.log(error.exitCode, error.message));`;
    const said = await runScript(root, source, { unprivileged: true });
    assert.is(
      said.trim(),
      `1 the file could not be made: ${join(root, 'closed', 't.parquet')}: permission is denied`,
    );
    const error = await errorOf(() => FeatureWriter.open(join(root, 'missing', 't.parquet')));
    assert.is(error.exitCode, 1);
    assert.ok(error.message.includes(join(root, 'missing', 't.parquet')), error.message);
  }));

// A limit of the file's size fails a write in the middle as a full disk does, and needs no rights.
for (const [when, rowGroupRows] of [
  ['while rows are written', 10],
  ['at the end', 100_000],
] as const) {
  test(`a disk that is full ${when} is a clear error, and the old table stays`, () =>
    inFolder(async (root) => {
      const out = join(root, 'out');
      mkdirSync(out);
      const file = join(out, 't.parquet');
      writeFileSync(file, 'old');
      const source = `
        import { FeatureWriter } from ${JSON.stringify(moduleUrl('src/lake/writer.js'))};
        const row = ${JSON.stringify({ ...nothing, promptId: 'k' })};
        const vector = () => Array.from({ length: 256 }, Math.random);
        const writer = await FeatureWriter.open(${JSON.stringify(file)}, { rowGroupRows: ${rowGroupRows} });
        const errors = [];
        for (let i = 0; i < 200; i++) await writer.append({ ...row, vector: vector() }).catch((error) => errors.push(error));
        await writer.close().catch((error) => errors.push(error));
        console.log(errors.length > 0 && errors.every((error) => error === errors[0]), errors[0].exitCode, errors[0].message, typeof errors[0].hint);`;
      const said = await runScript(root, source, { fileKiB: 100 });
      assert.is(
        said.trim(),
        `true 1 the file could not be written: ${file}: the file would be larger than the system allows string`,
      );
      assert.equal(readdirSync(out), ['t.parquet']);
      assert.is(readFileSync(file, 'utf8'), 'old');
    }));
}

test('a disk that is full while parts are joined is a clear error, and the old table stays', () =>
  inFolder(async (root) => {
    const out = join(root, 'out');
    mkdirSync(out);
    const file = join(out, 't.parquet');
    writeFileSync(file, 'old');
    const vector = () => Float32Array.from({ length: 256 }, Math.random);
    await write(
      join(root, 'part'),
      Array.from({ length: 300 }, (_, i) => ({ ...full, promptId: `k${i}`, vector: vector() })),
    );
    const source = `
      import { sortInto } from ${JSON.stringify(moduleUrl('src/lake/sort.js'))};
      await sortInto([${JSON.stringify(join(root, 'part'))}], ${JSON.stringify(file)}).catch((error) => console.log(error.exitCode, error.message));`;
    const said = await runScript(root, source, { fileKiB: 100 });
    assert.is(
      said.trim(),
      `1 the parts could not be joined: ${file}: the file would be larger than the system allows`,
    );
    assert.equal(readdirSync(out), ['t.parquet']);
    assert.is(readFileSync(file, 'utf8'), 'old');
  }));

test.run();
