/** How vectors are stored, and in what order rows are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { freshness } from '../../pipeline/freshness.js';
import { publish } from '../../pipeline/publish.js';
import { Duck } from '../../src/lake/duck.js';
import { toFloat16 } from '../../src/model/float16.js';
import { halfTable } from '../../src/model/half.js';
import { packageRoot } from '../../src/paths.js';
import { errorOf, inFolder, query, readTable, schemaOf } from '../prompts/fixture.js';
import { lakeWithTexts } from './lake.js';

const files = {
  'items.csv': 'id,title\na,A\nb,B',
  'ratings.csv': 'who,id,stars,at\nu,a,5,2024-01-01T00:00:00Z',
};
const withVector = (vector: number[]) => [
  { framework: 'kar', entity_type: 'item', entity_id: 'a', text: 'Of a.', vector },
  { framework: 'kar', entity_type: 'item', entity_id: 'b', text: 'Of b, without a vector.' },
];

/** Bits of float32 numbers that a half can come near to, those between and around the limits among them. */
const bits = fc.oneof(
  fc.integer({ min: 0, max: 0x477fefff }),
  fc.constantFrom(0, 1, 0x33000000, 0x33000001, 0x387fe000, 0x387fffff, 0x38800000, 0x3f801000, 0x3f803000),
);
const numbers = fc.array(fc.tuple(bits, fc.boolean()), { minLength: 1, maxLength: 64 }).map((list) =>
  Float32Array.from(list, ([magnitude, negative]) => {
    const value = new Float32Array(Uint32Array.of(magnitude).buffer)[0] as number;
    return negative && value !== 0 ? -value : value;
  }),
);

test('the bits in SQL are those of the nearest halves, and are read back as these', async () => {
  const duck = await Duck.open({ threads: 1 });
  try {
    await duck.script('features/float16');
    await duck.script('features/halves');
    const table = halfTable();
    const property = fc.asyncProperty(numbers, async (values) => {
      const list = `[${Array.from(values, (value) => `${value.toExponential()}::FLOAT`).join()}]`;
      const [row] = await duck.rows(`SELECT v, halves(v) AS back FROM (SELECT stored_vector(${list}) AS v)`);
      const expected = toFloat16(values);
      // a number that becomes zero keeps no sign that anyone could see
      assert.equal(
        row?.v,
        Array.from(expected, (half, i) => ((values[i] as number) < 0 ? half : half & 0x7fff)),
      );
      assert.equal(
        row?.back,
        Array.from(expected, (half) => table[half]),
      );
    });
    await fc.assert(property, { numRuns: 200 });
  } finally {
    duck.close();
  }
});

test('float16 as USMALLINT[], readable as the README says; none has no columns of vectors; another way is stale', async () => {
  await inFolder(async (folder) => {
    const vector = [0.1, -2.5, 0, 65_504, 1e-8];
    const at = (vectors: string) =>
      lakeWithTexts(folder, withVector(vector), { files, publish: { vectors } });
    const context = await at('float16');
    const [file] = (await publish(context)).files as [string];
    assert.is((await schemaOf(file)).kar_vector, 'USMALLINT[]');
    const expected = Array.from(toFloat16(Float32Array.from(vector)));
    assert.equal(
      (await readTable(file)).map((row) => row.kar_vector),
      [expected, null, null],
    );
    const macro = readFileSync(join(packageRoot, 'sql/features/halves.sql'), 'utf8').trimEnd();
    const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
    assert.ok(readme.includes(macro.split('\n').slice(1).join('\n')), 'the README has the macro');
    const reasons = (await freshness('features', await at('none'))).reasons;
    assert.equal(reasons, ['publish.vectors: float16 -> none']);
    await publish(await at('none'));
    assert.not.ok('kar_vector' in (await schemaOf(file)));
    assert.is((await readTable(file))[0]?.kar, 'Of a.');
    await publish(await at('float32'));
    assert.is((await schemaOf(file)).kar_vector, 'FLOAT[]');
  });
});

test('a number that float16 cannot hold is refused, with what to do', async () => {
  await inFolder(async (folder) => {
    for (const [number, fits] of [
      [65_519, true],
      [-65_520, false],
    ] as const) {
      const context = await lakeWithTexts(folder, withVector([1, number]), {
        files,
        publish: { vectors: 'float16' },
      });
      if (fits) {
        await publish(context);
        continue;
      }
      const error = await errorOf(() => publish(context));
      assert.match(
        error.message,
        /a vector of the framework "kar" holds 65520\.0, which float16 can't: its largest number is 65504/,
      );
      assert.is(error.exitCode, 2);
      assert.match(error.hint ?? '', /publish\.vectors/);
    }
  });
});

test('rows are in order of type and id, so that a row group holds a range of ids', async () => {
  await inFolder(async (folder) => {
    const count = 45_000;
    // an order that is neither that of the numbers nor that of the text
    const ids = Array.from({ length: count }, (_, i) => `i${(i * 7919) % count}`);
    const many = { ...files, 'items.csv': `id,title\n${ids.map((id) => `${id},T`).join('\n')}\na,A` };
    const context = await lakeWithTexts(folder, withVector([1]).slice(0, 1), { files: many });
    const [file] = (await publish(context)).files as [string];
    const groups = await query(
      `SELECT row_group_id AS "group", path_in_schema AS name, stats_min_value AS low, stats_max_value AS high
       FROM parquet_metadata($file) WHERE path_in_schema IN ('entity_type', 'entity_id') ORDER BY ALL`,
      { file },
    );
    const of = (name: string) => groups.filter((group) => group.name === name);
    const [types, ranges] = [of('entity_type'), of('entity_id')];
    assert.is(ranges.length, 3);
    for (const [index, range] of ranges.entries()) {
      const before = ranges[index - 1];
      // the last group holds the users too
      if (before === undefined || types[index]?.high !== 'item') continue;
      assert.ok((before.high as string) < (range.low as string), `${before.high} < ${range.low}`);
    }
    assert.equal([types[0]?.low, types[1]?.high], ['item', 'item']);
    const rows = await query(
      `SELECT count(*) AS n FROM (
         SELECT (entity_type, entity_id) AS key, lag((entity_type, entity_id)) OVER (ORDER BY file_row_number) AS before
         FROM read_parquet($file, file_row_number = true)
       ) WHERE key <= before`,
      { file },
    );
    assert.is(Number(rows[0]?.n), 0);
  });
});

test.run();
