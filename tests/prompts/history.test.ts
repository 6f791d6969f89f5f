import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { prompts } from '../../pipeline/prompts.js';
import { contextIn, inFolder, readTable, writeFiles } from './fixture.js';

interface Rating {
  user: number;
  item: number;
  value: number;
  time: number;
}

const settings = { liked: 3, likedFrom: 3.5, disliked: 2, dislikedTo: 1.5 };
const itemCount = 12;

/** The latest `count` of the ratings that `is`, oldest first; ties in time by item id (as text). */
function latest(ratings: Rating[], count: number, is: (value: number) => boolean): string {
  const chosen = ratings
    .filter(({ value }) => is(value))
    .sort((a, b) => a.time - b.time || (String(a.item) < String(b.item) ? -1 : 1));
  return count === 0
    ? ''
    : chosen
        .slice(-count)
        .map(({ item }) => `t${item}`)
        .join('; ');
}

function expected(ratings: Rating[], disliked: number): Map<string, string> {
  const histories = new Map<string, string>();
  for (const user of new Set(ratings.map((rating) => rating.user))) {
    const own = ratings.filter((rating) => rating.user === user);
    const likes = latest(own, settings.liked, (value) => value >= settings.likedFrom);
    const dislikes = latest(own, disliked, (value) => value <= settings.dislikedTo);
    if (likes !== '') histories.set(String(user), `+${likes}${dislikes === '' ? '' : ` -${dislikes}`}`);
  }
  return histories;
}

const rating = fc.record({
  user: fc.integer({ min: 1, max: 6 }),
  item: fc.integer({ min: 1, max: itemCount }),
  value: fc.constantFrom(1, 1.5, 2, 3, 3.5, 5),
  // Few different times: many ties.
  time: fc.integer({ min: 0, max: 4 }),
});
const ratings = fc.uniqueArray(rating, {
  minLength: 1,
  maxLength: 60,
  selector: ({ user, item }) => `${user}:${item}`,
});

test('histories are the latest entries, oldest first, whatever the ratings', async () => {
  const items = Array.from({ length: itemCount }, (_, index) => `${index + 1},t${index + 1}`);
  await fc.assert(
    fc.asyncProperty(ratings, fc.integer({ min: 0, max: 2 }), async (rows, disliked) => {
      await inFolder(async (folder) => {
        const lines = rows.map(({ user, item, value, time }) => `${user},${item},${value},${time}`);
        writeFiles(folder, {
          'items.csv': ['id,title', ...items].join('\n'),
          'ratings.csv': ['u,i,v,t', ...lines].join('\n'),
          'templates/kar-user.txt': '+{liked!}[[ -{disliked}]]',
          'templates/kar-item.txt': '{title}',
          'templates/history-entry.txt': '{title}',
        });
        const context = contextIn(folder, {
          inputs: {
            items: { path: `${folder}/items.csv`, id: 'id', columns: { title: 'title' } },
            ratings: { path: `${folder}/ratings.csv`, user: 'u', item: 'i', value: 'v', time: 't' },
          },
          prompts: { templates: `${folder}/templates`, history: { ...settings, disliked } },
        });
        const result = await prompts(context);
        const table = await readTable(result.files[0] as string);
        const users = table.filter((row) => row.entity_type === 'user');
        const histories = new Map(users.map((row) => [row.entity_id, row.prompt]));
        const wanted = expected(rows, disliked);
        assert.equal([...histories].sort(), [...wanted].sort());
      });
    }),
    { numRuns: 12 },
  );
});

test.run();
