/** The data of the downstream benchmark: what is cut where, on a made-up catalogue in RecBole's format. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { packageRoot } from '../../src/paths.js';
import { runSql } from './run-sql.js';

const folder = mkdtempSync(join(tmpdir(), 'dare-downstream-'));
const path = (name: string) => join(folder, name);
const read = async (query: string, file: string) => {
  const duck = await Duck.open();
  try {
    return await duck.rows(query, { file: path(file) });
  } finally {
    duck.close();
  }
};

const items = [
  'item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq',
  "12\tUsual Suspects, The\t1995\tCrime Children's Thriller",
  '6\tContempt (Mépris, Le)\t1963\tDrama',
  '7\tDouble vie de "V", La (Double Life, The)\t\tunknown',
  '9\tunknown\t\tunknown',
  '10\tCrime, Inc\t1990\tunknown Crime',
];
const firstTime = 880_000_000;
const events = [
  'user_id:token\titem_id:token\trating:float\ttimestamp:float',
  // latest first: time decides, not the order in the file
  ...Array.from({ length: 100 }, (_, i) => `1\t${[12, 10][i % 2]}\t${(i % 5) + 1}\t${firstTime + 1000 - i}`),
  `2\t9\t5\t${firstTime}`,
  `2\t10\t5\t${firstTime + 2}`,
  `2\t12\t5\t${firstTime + 2}`,
  `2\t6\t5\t${firstTime + 3}`,
];

test.before(async () => {
  writeFileSync(path('items.tsv'), `${items.join('\n')}\n`);
  writeFileSync(path('events.tsv'), `${events.join('\n')}\n`);
  await runSql('downstream/sql/movies', { items: path('items.tsv'), out: path('items.parquet') });
  const inputs = { interactions: path('events.tsv'), movies: path('items.parquet') };
  await runSql('downstream/sql/events', { ...inputs, out: path('events.parquet') });
  await runSql('downstream/sql/history', { events: path('events.parquet'), out: path('history.parquet') });
});
test.after(() => rmSync(folder, { recursive: true }));

test('titles read as people write them, unknown facts are left empty', async () => {
  assert.equal(await read('select * from read_parquet($file)', 'items.parquet'), [
    { item_id: 6, title: 'Contempt', year: 1963, genres: 'Drama', genre: 'Drama' },
    { item_id: 7, title: 'La Double vie de "V"', year: null, genres: '', genre: null },
    { item_id: 10, title: 'Crime, Inc', year: 1990, genres: 'Crime', genre: 'Crime' },
    {
      item_id: 12,
      title: 'The Usual Suspects',
      year: 1995,
      genres: "Crime, Children's, Thriller",
      genre: 'Crime',
    },
  ]);
});

test("each user's events are cut by time, and the pipeline sees the earliest alone", async () => {
  const parts = await read(
    `select part, count(*)::INTEGER as events, min(epoch(rated_at))::INTEGER as first, max(epoch(rated_at))::INTEGER as last
    from read_parquet($file) where user_id = 1 group by part order by first`,
    'events.parquet',
  );
  const start = firstTime + 901;
  assert.equal(parts, [
    { part: 'history', events: 40, first: start, last: start + 39 },
    { part: 'train', events: 32, first: start + 40, last: start + 71 },
    { part: 'valid', events: 8, first: start + 72, last: start + 79 },
    { part: 'test', events: 20, first: start + 80, last: start + 99 },
  ]);
  const seen = await read(
    `select max(epoch(rated_at))::INTEGER as last, count(*)::INTEGER as events from read_parquet($file) where user_id = 1`,
    'history.parquet',
  );
  assert.equal(seen, [{ last: start + 39, events: 40 }]);
});

test('ratings of movies without a title are left out, ties in time go by item, new items are not trained on', async () => {
  const rows = await read(
    'select item_id, new_item, part from read_parquet($file) where user_id = 2 order by rated_at, part',
    'events.parquet',
  );
  assert.equal(rows, [
    { item_id: 10, new_item: false, part: 'history' },
    { item_id: 12, new_item: false, part: 'history' },
    { item_id: 6, new_item: true, part: 'unseen' },
  ]);
});

test('halves hold no entity twice, and --items and --users take those with the most events', async () => {
  const duck = await Duck.open();
  await duck.run(
    `copy (
      select 'kar:' || kind || ':' || id as prompt_id, kind as entity_type, id as entity_id
      from (values ('item', '6'), ('item', '10'), ('item', '12'), ('user', '1'), ('user', '2')) as prompts(kind, id)
    ) to $file (format parquet)`,
    { file: path('chats.parquet') },
  );
  duck.close();
  const prompts = path('prompts.parquet');
  const ranking = { prompts: path('chats.parquet'), events: path('events.parquet'), out: prompts };
  await runSql('downstream/sql/ranked', ranking);
  const places = await read(
    'select entity_type, entity_id from read_parquet($file) order by entity_type, place',
    'prompts.parquet',
  );
  assert.is(places[2]?.entity_id, '6');
  assert.equal(
    places.slice(3).map(({ entity_id: id }) => id),
    ['1', '2'],
  );
  const counts = { items: '2', users: '1' };
  const ids: unknown[] = [];
  for (const half of ['a', 'b']) {
    await runSql('downstream/sql/half', { prompts, half, ...counts, out: path(`${half}.parquet`) });
    const rows = await read('select entity_id from read_parquet($file)', `${half}.parquet`);
    ids.push(...rows.map((row) => row.entity_id));
  }
  assert.equal(ids.sort(), ['1', '10', '12']);
});

test('the README quotes the main result as it stands beside the benchmark', () => {
  const read = (file: string) => readFileSync(join(packageRoot, file), 'utf8');
  const figures = read('tests/bench/downstream/README.md');
  const rowOf = (name: string) => {
    const line = figures.split('\n').find((one) => one.startsWith(`| ${name}`)) ?? '';
    return /\| ([+-][\d.]+) \(([+-][\d.]+) to ([+-][\d.]+)\)/.exec(line)?.slice(1) ?? [];
  };
  const [mean, low, high] = rowOf('relaxed - autoregressive');
  const [gain = ''] = rowOf('autoregressive - none');
  assert.ok(
    read('README.md').includes(
      `relaxed is non-inferior within 0.002 AUC (${mean}, 95% ${low} to ${high}), where autoregressive texts bring ${gain.slice(1)} over none`,
    ),
    `${mean} (${low} to ${high}), ${gain}`,
  );
});

test.run();
