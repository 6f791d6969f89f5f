import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { errorOf } from '../prompts/fixture.js';

async function withDuck(use: (duck: Duck) => Promise<void>): Promise<void> {
  const duck = await Duck.open({ threads: 1 });
  try {
    await use(duck);
  } finally {
    duck.close();
  }
}

test('extensions are neither downloaded nor loaded on the way', () =>
  withDuck(async (duck) => {
    const settings = await duck.rows(
      `select current_setting('autoinstall_known_extensions') as install,
        current_setting('autoload_known_extensions') as load`,
    );
    assert.equal(settings, [{ install: false, load: false }]);
    const error = await errorOf(() => duck.rows("from read_parquet('https://127.0.0.1:1/a.parquet')"));
    assert.match(error.message, /httpfs/);
  }));

test('Parquet, JSON and time zones are there without', () =>
  withDuck(async (duck) => {
    const extensions = await duck.rows('select extension_name as name from duckdb_extensions() where loaded');
    const names = extensions.map(({ name }) => name);
    for (const name of ['core_functions', 'icu', 'json', 'parquet'])
      assert.ok(names.includes(name), String(names));
  }));

test.run();
