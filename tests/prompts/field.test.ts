import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { fieldText } from '../../src/text/field.js';

const cases: [expression: string, expected: string][] = [
  ['NULL', ''],
  ["''", ''],
  ["'The Abyss'", 'The Abyss'],
  ["' two\nlines\r\n and\ta tab '", 'two lines and a tab'],
  ['chr(0) || chr(7) || chr(133) || chr(8232) || chr(160)', ''],
  ["'a' || chr(0) || 'b'", 'a b'],
  ["'Amélie 映画 🎬'", 'Amélie 映画 🎬'],
  ['1997', '1997'],
  ['1997::DOUBLE', '1997'],
  ['9007199254740993::BIGINT', '9007199254740993'],
  ['0.1::FLOAT', '0.1'],
  ['16777216::FLOAT', '16777216'],
  ['3.4028234e38::FLOAT', '3.4028235e+38'],
  ['0.30::DECIMAL(4, 2)', '0.30'],
  ['true', 'true'],
  ["DATE '1997-06-06'", '1997-06-06'],
  ["TIMESTAMP '1997-06-06 10:00:00'", '1997-06-06 10:00:00'],
  ["['Action', NULL, '', 'Sci\n-Fi']", 'Action, Sci -Fi'],
  ['[0.1::FLOAT, 2]', '0.1, 2'],
  ["['a', 'b']::VARCHAR[2]", 'a, b'],
  ["'R'::ENUM('PG', 'R')", 'R'],
];

test('values become text on one line', async () => {
  const duck = await Duck.open({ threads: 1 });
  try {
    for (const [expression, expected] of cases) {
      const result = await duck.run(`SELECT ${expression}`);
      const value = (await result.getRows())[0]?.[0] ?? null;
      assert.is(fieldText(value, result.columnType(0)), expected, expression);
    }
  } finally {
    duck.close();
  }
});

test.run();
