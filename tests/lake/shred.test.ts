import fc from 'fast-check';
import parquet from 'parquetjs-lite';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { shredRow } from '../../src/lake/shred.js';
import { schemaOf } from '../../src/lake/text-table.js';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
/** Some columns of each kind; of those that are left out all rows have none. */
const rows = fc.array(
  fc.record(
    {
      prompt_id: fc.string({ unit: 'binary' }),
      text: fc.string(),
      output_token_ids: fc.array(int32, { maxLength: 4 }),
      vector: fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 4 }),
      relaxed_positions: fc.array(int32, { maxLength: 2 }),
      round: int32,
      divergence: fc.double({ noNaN: true, noDefaultInfinity: true }),
      ended: fc.boolean(),
    },
    { requiredKeys: [] },
  ),
  { minLength: 1, maxLength: 6 },
);

test("rows are split as by the library's own, distinct values aside (property)", () => {
  const schema = new parquet.ParquetSchema(schemaOf('SNAPPY'));
  const split = (shred: typeof shredRow, records: readonly Record<string, unknown>[]) => {
    const buffer = {} as Parameters<typeof shredRow>[2];
    for (const record of records) shred(schema, record, buffer);
    for (const column of Object.values(buffer.columnData ?? {})) {
      column.distinct_values.clear();
      // it reads numbers from their text, which has no -0
      column.values = column.values.map((value) => (value === 0 ? 0 : value));
    }
    return buffer;
  };
  const nested = (record: object) =>
    Object.fromEntries(
      Object.entries(record).map(([name, value]) => [
        name,
        Array.isArray(value) ? { list: value.map((element: number) => ({ element })) } : value,
      ]),
    );
  fc.assert(
    fc.property(rows, (records) => {
      const { shredRecord } = parquet.ParquetShredder;
      assert.equal(split(shredRow, records), split(shredRecord, records.map(nested)));
    }),
  );
});

test.run();
