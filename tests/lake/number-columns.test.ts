import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { appendNumbers, numberColumns, unsignedColumn } from '../../src/lake/number-columns.js';

const rows = (1 << 20) + 5000;

test('columns come in the order of the rows, over several pages, and go back as they were', async () => {
  const duck = await Duck.open();
  try {
    await duck.run(`create table numbers as
      select (range - 7)::integer as a, (4294967295 - range)::uinteger as "b c", range / 3 as d from range(${rows})`);
    await duck.run('create table copied(a integer, d double)');
    let row = 0;
    for await (const [a, b, d] of numberColumns(duck, 'numbers', ['a', 'b c', 'd'])) {
      const size = a?.length as number;
      for (const n of [0, size - 1]) {
        assert.equal([a?.[n], b?.[n], d?.[n]], [row + n - 7, 4294967295 - row - n, (row + n) / 3]);
      }
      row += size;
      await appendNumbers(duck, 'copied', [Int32Array.from(a ?? []), Float64Array.from(d ?? [])]);
    }
    assert.is(row, rows);
    const unsigned = await unsignedColumn(duck, 'numbers', 'b c');
    assert.equal([unsigned.length, unsigned.at(-1)], [rows, 4294967295 - rows + 1]);
    const long = [new Int32Array(5000).fill(3), new Float64Array(5000).fill(0.5)] as const;
    await appendNumbers(duck, 'copied', long);
    const [check] = await duck.rows(`select
      (select count(*)::integer from copied) as n,
      (select count(*)::integer from (from copied except all select a, d from numbers)) as more`);
    assert.equal(check, { n: rows + 5000, more: 5000 });
  } finally {
    duck.close();
  }
});

test('no rows', async () => {
  const duck = await Duck.open();
  try {
    await duck.run('create table nothing(a integer)');
    for await (const _ of numberColumns(duck, 'nothing', ['a'])) assert.unreachable();
    await appendNumbers(duck, 'nothing', [new Int32Array(0)]);
    assert.is((await unsignedColumn(duck, 'nothing', 'a')).length, 0);
  } finally {
    duck.close();
  }
});

test.run();
