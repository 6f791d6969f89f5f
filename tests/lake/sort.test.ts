import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { sortInto } from '../../src/lake/sort.js';
import { inFolder } from './temporary.js';

/** Rows `from` to `to` of a table of `rows` rows whose prompt_ids are in no order, with a vector of 256 floats each. */
async function writePart(file: string, rows: number, from: number, to: number): Promise<void> {
  const sql = `
    copy (
      select
        'kar:item:' || (i * 7919) % $rows as prompt_id, 'item' as entity_type, i::varchar as entity_id,
        'kar' as framework, 'item-' || i % 7 as cohort, 'text ' || i as text, [i::int, 1, 2] as output_token_ids,
        list_transform(range(256), lambda x: (hash(i * 256 + x) % 1000000)::float) as vector,
        'stop' as finish_reason, 1::int as prompt_tokens, 2::int as output_tokens, 3::int as emitted_tokens, 3::int as decode_steps,
        4::int as drafted_tokens, 5::int as accepted_tokens, 6::int as relaxed_tokens, [0]::int[] as relaxed_positions, 0.5::double as divergence,
        7::int as near_ties, 'v' as pool_version, (i % 3)::int as round, null::varchar as error, md5(i::varchar) as text_key
      from range($from, $to) rows(i)
    ) to $file (format parquet, row_group_size 2048)`;
  const duck = await Duck.open({ threads: 1 });
  try {
    await duck.run(sql, { rows, from, to, file });
  } finally {
    duck.close();
  }
}

/** A table of `rows` rows in parts of `size` rows, the last part first. */
async function writeParts(root: string, name: string, rows: number, size: number): Promise<string[]> {
  const parts: string[] = [];
  for (let from = 0; from < rows; from += size) {
    const part = join(root, `${name}-${from}`);
    await writePart(part, rows, from, Math.min(from + size, rows));
    parts.unshift(part);
  }
  return parts;
}

async function one(sql: string, file: string): Promise<Record<string, unknown>> {
  const duck = await Duck.open();
  try {
    return (await duck.rows(sql, { file }))[0] ?? {};
  } finally {
    duck.close();
  }
}

const disorder = `
  select count(*)::int as out_of_order
  from (
    select prompt_id, lag(prompt_id) over (order by file_row_number) as before
    from read_parquet($file, file_row_number = true)
  )
  where before >= prompt_id`;

test('rows that take several times the memory limit are joined in order', () =>
  inFolder(async (root) => {
    const rows = 40_000;
    const parts = await writeParts(root, 'part', rows, 4_000);
    const out = join(root, 'out.parquet');
    assert.is(await sortInto(parts, out, { memoryLimit: '40MB' }), rows);
    assert.equal(await one(disorder, out), { out_of_order: 0 });
    const contents = `
      select
        count(distinct prompt_id)::int as ids, sum(entity_id::int)::int as entities,
        count(*) filter (prompt_id <> 'kar:item:' || (entity_id::int * 7919) % 40000)::int as misplaced,
        count(*) filter (vector[256] <> (hash(entity_id::bigint * 256 + 255) % 1000000)::float)::int as wrong
      from read_parquet($file)`;
    const entities = (rows * (rows - 1)) / 2;
    assert.equal(await one(contents, out), { ids: rows, entities, misplaced: 0, wrong: 0 });
    assert.equal(
      readdirSync(root).filter((name) => !name.startsWith('part-')),
      ['out.parquet'],
    );
  }));

test('the same rows make the same bytes in any order and in any parts, in row groups of 2,048', () =>
  inFolder(async (root) => {
    const rows = 9001;
    const files: string[] = [];
    for (const [size, threads] of [
      [rows, 1],
      [4000, 1],
      [700, 2],
    ] as const) {
      const file = join(root, `${size}.parquet`);
      assert.is(await sortInto(await writeParts(root, `part-${size}`, rows, size), file, { threads }), rows);
      files.push(file);
    }
    const [first, ...others] = files.map((file) => readFileSync(file));
    for (const other of others) assert.ok(first?.equals(other));
    const groups = `
      select list(distinct row_group_num_rows::int order by row_group_num_rows::int desc) as sizes
      from parquet_metadata($file)`;
    assert.equal(await one(groups, files[1] as string), { sizes: [2048, 809] });
  }));

test('rows of one prompt_id stay together', () =>
  inFolder(async (root) => {
    const copies = ['a', 'b', 'c'].map((name) => join(root, name));
    for (const part of copies) await writePart(part, 3000, 0, 3000);
    const out = join(root, 'out.parquet');
    assert.is(await sortInto(copies, out), 9000);
    const together = `
      select count(*)::int as ids
      from (
        select max(file_row_number) - min(file_row_number) as apart
        from read_parquet($file, file_row_number = true)
        group by prompt_id
      )
      where apart = 2`;
    assert.equal(await one(together, out), { ids: 3000 });
  }));

test.run();
