/** Cohorts of one partition after those of another. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { segment } from '../../pipeline/segment.js';
import { matchCohorts, type Overlap } from '../../src/cohorts/names.js';
import { Lake } from '../../src/lake/lake.js';
import { readManifest } from '../../src/lake/manifest.js';
import { silentProgress } from '../../src/report/progress.js';
import { errorOf, readTable } from '../prompts/fixture.js';
import { type Data, draw, withFolder, writeData } from './data.js';

const silent = () => undefined;
const tools = {
  log: { debug: silent, info: silent, warn: silent, error: silent },
  progress: silentProgress,
  signal: new AbortController().signal,
};

interface Cohorts {
  users: Map<string, { cohort: string; distance: number | null }>;
  continued: number;
  lastNumber: number;
}

/** Segments the data as one partition of the lake in `folder`. */
async function segmentAs(
  folder: string,
  partition: string,
  data: Data,
  cohorts: object = {},
): Promise<Cohorts> {
  const config = writeData(folder, data, cohorts);
  const lake = new Lake(config.lake);
  const result = await segment({ ...tools, config, lake, partition });
  const rows = await readTable(lake.file('cohorts', partition));
  const users = rows.filter((row) => row.entity_type === 'user');
  const manifest = await readManifest(lake.dir('cohorts', partition));
  assert.is(manifest?.lastNumber, result.lastNumber);
  return {
    users: new Map(
      users.map((row) => [
        String(row.entity_id),
        { cohort: String(row.cohort), distance: row.distance as number | null },
      ]),
    ),
    continued: result.continued as number,
    lastNumber: result.lastNumber as number,
  };
}

const itemsOfGroup = 30;
/** Twelve ratings of items of a group, one of them in ten of another group. */
function ratingsOf(user: string, group: number, groups: number, seed: number): string[] {
  const liked = new Set<number>();
  for (let n = 0; liked.size < 12; n++) {
    const own = draw(seed * 1000 + 3 * n) < 0.95;
    const of = own ? group : Math.floor(draw(seed * 1000 + 3 * n + 1) * groups);
    liked.add(of * itemsOfGroup + Math.floor(draw(seed * 1000 + 3 * n + 2) * itemsOfGroup));
  }
  return [...liked].map((item) => `${user},i${item},5,2024-01-01`);
}

/** Users u<n> of planted groups: `groupOf` says of each number which, undefined for nobody. */
function groupedUsers(count: number, groups: number, groupOf: (n: number) => number | undefined): Data {
  const ratings: string[] = [];
  for (let n = 0; n < count; n++) {
    const group = groupOf(n);
    if (group !== undefined) ratings.push(...ratingsOf(`u${n}`, group, groups, n + 1));
  }
  const items = Array.from(
    { length: groups * itemsOfGroup },
    (_, item) => `i${item},g${Math.floor(item / itemsOfGroup)},`,
  );
  return { items, ratings };
}

const byThree = (n: number) => n % 3;
const three = groupedUsers(240, 3, byThree);
/** A few users are gone and others are new: the groups' order by size is another one. */
const refreshed = groupedUsers(249, 3, (n) => (n < 24 && n % 3 === 0 ? undefined : n < 240 ? n % 3 : 2));

/** Cohort of most users of a planted group. */
function cohortOf({ users }: Cohorts, ids: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const id of ids) {
    const { cohort } = users.get(id) ?? { cohort: 'missing' };
    counts.set(cohort, (counts.get(cohort) ?? 0) + 1);
  }
  return ([...counts].sort((a, b) => b[1] - a[1])[0] as [string, number])[0];
}

const ids = (from: number, to: number, group: number, groups = 3) =>
  Array.from({ length: to - from }, (_, n) => from + n)
    .filter((n) => n % groups === group)
    .map((n) => `u${n}`);

test('a refit with a few users more and less: names and users stay, new users join their group', () =>
  withFolder(async (folder) => {
    const before = await segmentAs(folder, 'a', three);
    assert.equal([before.continued, before.lastNumber], [0, 3]);
    const after = await segmentAs(folder, 'b', refreshed);
    assert.equal([after.continued, after.lastNumber], [3, 3]);
    for (const [id, { cohort }] of after.users) {
      if (Number(id.slice(1)) < 240) assert.is(cohort, before.users.get(id)?.cohort, id);
    }
    const added = Array.from({ length: 9 }, (_, n) => `u${240 + n}`);
    assert.is(cohortOf(after, added), cohortOf(before, ids(0, 240, 2)));
    const anew = await segmentAs(folder, 'c', refreshed, { users: { refit: 'anew' } });
    assert.is.not(
      cohortOf(anew, ids(24, 240, 0)),
      cohortOf(before, ids(24, 240, 0)),
      'else it shows nothing',
    );
    assert.is(anew.continued, 0);
  }));

test('the same partition again goes on from itself, a later one from the latest earlier or the one named', () =>
  withFolder(async (folder) => {
    const first = await segmentAs(folder, 'b', three);
    const again = await segmentAs(folder, 'b', three);
    assert.equal(again.users, first.users);
    const other = await segmentAs(folder, 'a', refreshed);
    assert.is(other.continued, 0, 'b is later');
    const renamed = cohortOf(other, ids(24, 240, 0));
    assert.is.not(renamed, cohortOf(first, ids(24, 240, 0)));
    const latest = await segmentAs(folder, 'c', refreshed);
    assert.is(cohortOf(latest, ids(24, 240, 0)), cohortOf(first, ids(24, 240, 0)));
    const named = await segmentAs(folder, 'd', refreshed, { previous: 'a' });
    assert.is(cohortOf(named, ids(24, 240, 0)), renamed);
    const error = await errorOf(() => segmentAs(folder, 'e', three, { previous: 'nosuch' }));
    assert.is(error.exitCode, 2);
    assert.match(error.message, /cohorts\.previous: the partition nosuch has no cohorts/);
  }));

test('a new group gets a name that nobody had, that of a vanished one is not given again', () =>
  withFolder(async (folder) => {
    const before = await segmentAs(folder, 'a', three, { users: { groups: 3 } });
    const grown = await segmentAs(
      folder,
      'b',
      groupedUsers(320, 4, (n) => (n < 240 ? n % 3 : 3)),
      { users: { groups: 4 } },
    );
    assert.is(
      cohortOf(
        grown,
        Array.from({ length: 80 }, (_, n) => `u${240 + n}`),
      ),
      'user-4',
    );
    for (const group of [0, 1, 2])
      assert.is(cohortOf(grown, ids(0, 240, group)), cohortOf(before, ids(0, 240, group)));
    const without = await segmentAs(folder, 'c', three, { users: { groups: 3 } });
    assert.equal([without.continued, without.lastNumber], [3, 4]);
    const other = groupedUsers(480, 4, (n) => (n < 240 ? n % 3 : n < 400 ? undefined : 3));
    const last = await segmentAs(folder, 'd', other, { users: { groups: 4 } });
    assert.is(
      cohortOf(
        last,
        Array.from({ length: 80 }, (_, n) => `u${400 + n}`),
      ),
      'user-5',
    );
  }));

test('users whose taste has changed: keep leaves them where they were, at a distance; move lets them go', () =>
  withFolder(async (folder) => {
    const changed = groupedUsers(240, 3, (n) => (n < 6 ? (n + 1) % 3 : n % 3));
    const before = await segmentAs(folder, 'a', three);
    const kept = await segmentAs(folder, 'k', changed);
    const moved = await segmentAs(folder, 'm', changed, { users: { refit: 'move' }, previous: 'a' });
    assert.equal([kept.continued, moved.continued], [3, 3]);
    for (let n = 0; n < 6; n++) {
      const [old, keep, move] = [before, kept, moved].map(({ users }) => users.get(`u${n}`));
      assert.is(keep?.cohort, old?.cohort);
      assert.is(move?.cohort, cohortOf(before, ids(6, 240, (n + 1) % 3)));
      assert.ok((keep?.distance as number) > (move?.distance as number), `u${n}`);
    }
    const others = [...before.users.keys()].filter((id) => Number(id.slice(1)) >= 6);
    for (const id of others) assert.is(kept.users.get(id)?.cohort, before.users.get(id)?.cohort);
  }));

test('cold users stay, until ratings place them', () =>
  withFolder(async (folder) => {
    const cold = (data: Data, ...ratings: string[]): Data => ({
      ...data,
      ratings: [...data.ratings, ...ratings.map((rating) => `${rating},2024-01-01`)],
    });
    const before = await segmentAs(folder, 'a', cold(three, 'x,i0,5', 'y,i0,5'));
    assert.is(before.users.get('x')?.cohort, cohortOf(before, ids(0, 240, 0)));
    const many = ratingsOf('y', 1, 3, 999).map((rating) => rating.replace(',2024-01-01', ''));
    const after = await segmentAs(folder, 'b', cold(three, 'x,i31,5', ...many));
    assert.is(after.users.get('x')?.cohort, before.users.get('x')?.cohort, 'still too few ratings to tell');
    assert.is(after.users.get('y')?.cohort, cohortOf(before, ids(0, 240, 1)));
  }));

const overlaps = (...rows: [number, string, number][]): Overlap[] =>
  rows.map(([cluster, cohort, users]) => ({ cluster, cohort, users }));
for (const [name, rows, expected] of [
  ['nothing', [], {}],
  [
    'a split: the larger part goes on',
    [
      [1, 'a', 60],
      [2, 'a', 40],
    ],
    { 1: 'a' },
  ],
  [
    'a union: as the larger part',
    [
      [1, 'a', 40],
      [1, 'b', 60],
    ],
    { 1: 'b' },
  ],
  [
    'crumbs are no cohort',
    [
      [1, 'a', 2],
      [1, 'b', 2],
      [2, 'a', 90],
      [3, 'b', 90],
    ],
    { 2: 'a', 3: 'b' },
  ],
  [
    'most users stay',
    [
      [1, 'a', 9],
      [1, 'b', 8],
      [2, 'a', 8],
    ],
    { 1: 'b', 2: 'a' },
  ],
] as const) {
  test(`clusters and earlier cohorts: ${name}`, () => {
    const found = matchCohorts(overlaps(...(rows as unknown as [number, string, number][])));
    assert.equal(Object.fromEntries(found), expected);
  });
}

test.run();
