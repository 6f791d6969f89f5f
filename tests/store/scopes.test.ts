/** What commands bring of a lake: enough to be right, and no more than that. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config } from '../../src/config/schema.js';
import type { LakeJob } from '../../src/stage.js';
import { parseKey, rankOf } from '../../src/store/layout.js';
import type { LakeObject } from '../../src/store/mirror.js';
import { ofPartition, scopeOf } from '../../src/store/scopes.js';

/** Ten days of a lake. */
const days = Array.from({ length: 10 }, (_, i) => `day-${String(i).padStart(2, '0')}`);
const today = 'day-08';
const keys = days.flatMap((day) => [
  ...['cohorts', 'prompts', 'texts', 'features'].flatMap((table) => [
    `${table}/partition=${day}/${table}.parquet`,
    `${table}/partition=${day}/_manifest.json`,
  ]),
  `pools/partition=${day}/shared.arrow`,
  `pools/partition=${day}/_manifest.json`,
  `_earlier/features/partition=${day}/features.earlier`,
  `_earlier/features/partition=${day}/_manifest.json`,
  `_unfinished/texts/partition=${day}/part-1-of-2.parquet`,
]);
const all: LakeObject[] = keys.map((key) => {
  const place = parseKey(key);
  assert.ok(place, key);
  return { key, place, size: 1, etag: '1', modified: new Date(0) };
});

function config(changes: { texts?: string; reuse?: string; previous?: string } = {}): Config {
  const { texts, reuse = 'texts', previous } = changes;
  return {
    partition: today,
    pools: { texts },
    decode: { reuse },
    cohorts: { previous },
  } as unknown as Config;
}

/** Keys that a job needs of other partitions, beside the manifests. */
function needed(job: LakeJob | undefined, changes = {}, shard?: string): string[] {
  const own = ofPartition(config(changes));
  const more = job === undefined ? () => false : scopeOf(job, config(changes), shard).needs;
  return all
    .filter((object) => own(object, all) || more(object, all))
    .map(({ key }) => key)
    .filter((key) => !key.includes(`partition=${today}/`) && !/^[a-z]+\/[^/]+\/_manifest/.test(key));
}

test('every command has all manifests and all of its own partition', () => {
  const own = ofPartition(config());
  const brought = all.filter((object) => own(object, all)).map(({ key }) => key);
  assert.equal(
    brought,
    keys.filter((key) => key.includes(today) || /^[a-z]+\/[^/]+\/_manifest/.test(key)),
  );
});

const texts = (from: number, to: number) =>
  days.slice(from, to).map((day) => `texts/partition=${day}/texts.parquet`);
/** What pools are made of: texts, and the prompts that they answer. */
const ofPools = (from: number, to: number) =>
  ['prompts', 'texts'].flatMap((table) =>
    days.slice(from, to).map((day) => `${table}/partition=${day}/${table}.parquet`),
  );
const cases: [job: LakeJob | undefined, changes: object, expected: string[]][] = [
  [undefined, {}, []],
  [undefined, { previous: 'day-03' }, ['cohorts/partition=day-03/cohorts.parquet']],
  ['segment', {}, ['cohorts/partition=day-07/cohorts.parquet']],
  ['prompts', {}, []],
  ['pools', {}, [...ofPools(0, 8), 'pools/partition=day-07/shared.arrow'].sort(inOrder)],
  ['pools', { texts: '/old.parquet' }, ['pools/partition=day-07/shared.arrow']],
  ['decode', {}, texts(1, 8)],
  ['decode', { reuse: 'off' }, []],
  ['publish', {}, []],
  ['rollback', {}, []],
  ['report', {}, []],
  ['evaluate', {}, ofPools(0, 8).sort(inOrder)],
  ['tune', { texts: '/old.parquet' }, []],
  ['plan', {}, texts(1, 8)],
];
for (const [job, changes, expected] of cases) {
  test(`${job ?? 'any command'} ${JSON.stringify(changes)}`, () => {
    assert.equal(needed(job, changes), expected);
  });
}

test('what goes over all partitions has all of the lake', () => {
  for (const job of ['prune', 'forget'] as const) {
    const { needs, writes, locks } = scopeOf(job, config());
    assert.ok(all.every((object) => needs(object, all)));
    assert.equal([writes, locks.map(({ name }) => name)], [[''], ['lake']]);
  }
});

test('a shard writes and locks nothing but itself', () => {
  const { writes, locks } = scopeOf('decode', config(), '2/3');
  const folder = `_unfinished/texts/partition=${today}/`;
  assert.equal(writes, [`${folder}part-2-of-3/`, `${folder}part-2-of-3.parquet`]);
  assert.equal(
    locks.map(({ name }) => name),
    [`texts/partition=${today}/part-2-of-3`],
  );
});

test('shards are brought as far as they are needed', () => {
  const folder = `_unfinished/texts/partition=${today}/`;
  const unfinished = [
    'part-1-of-2.parquet',
    'part-1-of-2/journal',
    'part-2-of-2.parquet',
    'part-2-of-2/journal',
    'whole/journal',
    'costs/table.json',
  ];
  const objects = unfinished.map((name): LakeObject => {
    const [first] = all;
    const key = `${folder}${name}`;
    const place = parseKey(key);
    assert.ok(first && place);
    return { ...first, key, place };
  });
  const brought = (job?: LakeJob, shard?: string) => {
    const own = ofPartition(config(), shard);
    const more = job === undefined ? () => false : scopeOf(job, config(), shard).needs;
    return objects
      .filter((object) => own(object, objects) || more(object, objects))
      .map(({ place }) => place.name);
  };
  const finished = ['part-1-of-2.parquet', 'part-2-of-2.parquet', 'whole/journal', 'costs/table.json'];
  assert.equal(brought(), finished);
  assert.equal(brought('publish'), finished);
  assert.equal(brought('decode', '2/2'), [...unfinished.slice(2)]);
  assert.equal(brought('decode'), unfinished);
});

test('what only reads takes no lock', () => {
  for (const job of ['plan', 'tune'] as const) {
    const { writes, locks } = scopeOf(job, config());
    assert.equal([writes, locks], [[], []]);
  }
});

test('a manifest is published behind its table, what was kept of the table before it', () => {
  const order = [
    '_earlier/features/partition=a/features.earlier',
    '_earlier/features/partition=a/_manifest.json',
    'features/partition=a/features.parquet',
    'features/partition=a/_manifest.json',
    '_unfinished/texts/partition=a/whole/part-0.rows',
    '_unfinished/texts/partition=a/whole/journal',
  ];
  const ranks = order.flatMap((key) => parseKey(key) ?? []).map(rankOf);
  assert.equal(ranks, [0, 1, 2, 3, 4, 5]);
});

test("other objects are nobody's", () => {
  for (const key of [
    'README.md',
    'texts/texts.parquet',
    'notes/partition=a/x',
    '_work/texts/partition=a/x',
    'texts/partition=a/../x',
    'texts/partition=a/',
    '_unfinished/texts/partition=a/whole.lock-1/owner.json',
    'texts/partition=a/x.tmp-host-1-2',
  ])
    assert.is(parseKey(key), undefined, key);
});

test.run();

/** As the list has them. */
function inOrder(one: string, other: string): number {
  return keys.indexOf(one) - keys.indexOf(other);
}
