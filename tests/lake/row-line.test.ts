import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { toLine, toRow } from '../../src/lake/row-line.js';
import { checkRow, type TextRow, toRecord } from '../../src/lake/text-table.js';
import { rowOf } from './kept.js';
import { errorOf } from './temporary.js';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const list = fc.array(int32, { maxLength: 5 });
const integers = fc.option(fc.oneof(list, list.map(Int32Array.from.bind(Int32Array))));
const floats = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 5 });
/** One in a longer buffer too, as the decoding thread may send them. */
const vector = fc.option(
  fc.oneof(
    floats,
    floats.map((values) => Float32Array.from(values)),
    floats.map((values) => Float32Array.from([7, ...values, 7]).subarray(1, values.length + 1)),
  ),
);
const rows = fc.record({
  text: fc.option(fc.string({ unit: 'binary' })),
  outputTokenIds: integers,
  relaxedPositions: integers,
  vector,
  divergence: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  round: fc.option(int32),
  ended: fc.option(fc.boolean()),
});

test('a row comes back from its line as the part takes it (property)', () => {
  fc.assert(
    fc.property(rows, (values) => {
      const row: TextRow = { ...rowOf('k'), ...values };
      const back = toRow(JSON.parse(JSON.stringify(toLine(row))));
      // JSON knows no -0, which SQL doesn't tell from 0
      const plain = (record: object) =>
        JSON.parse(
          JSON.stringify(record, (_, value) =>
            ArrayBuffer.isView(value) ? Array.from(value as Int32Array) : value,
          ),
        ) as object;
      assert.equal(plain(toRecord(back)), plain(toRecord(row)));
    }),
  );
});

test('what a column cannot hold is refused before it is written, in 32 bits where it is stored in them', async () => {
  for (const [values, says] of [
    [{ vector: [0, 1e39] }, 'vector holds 1e+39'],
    [{ vector: Float32Array.of(Number.NEGATIVE_INFINITY) }, 'vector holds -Infinity'],
    [{ outputTokenIds: [1, 2.5] }, 'output_token_ids holds 2.5'],
    [{ relaxedPositions: Float64Array.of(2 ** 31) }, 'relaxed_positions holds 2147483648'],
    [{ decodeSteps: Number.NaN }, 'decode_steps holds NaN'],
  ] as const) {
    const row = { ...rowOf('k'), ...values };
    for (const refuses of [checkRow, toRecord]) {
      const { message } = await errorOf(() => refuses(row));
      assert.is(message, `prompt "k": ${says}, which can't be stored`);
    }
  }
  checkRow({ ...rowOf('k'), vector: [3.4e38], divergence: 1e300 });
});

test.run();
