import { join } from 'node:path';
import { LIST, listValue, VARCHAR } from 'duckdb';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Duck } from '../../src/lake/duck.js';
import { inFolder } from '../lake/temporary.js';
import { writeParquet } from '../simulate/fixture.js';

const list = LIST(VARCHAR);

async function withDuck<T>(use: (duck: Duck) => Promise<T>): Promise<T> {
  const duck = await Duck.open({ threads: 1 });
  try {
    return await use(duck);
  } finally {
    duck.close();
  }
}

test('texts of held-out prompts, and of those whom they are about, stay out of the pools', () =>
  inFolder((folder) =>
    withDuck(async (duck) => {
      const columns = 'prompt_id, entity_type, entity_id, text';
      const file = await writeParquet(
        join(folder, 'texts.parquet'),
        `select * from (values
           ('kar:item:1', 'item', '1', 'held out by its prompt'),
           ('other', 'item', '1', 'held out by its item'),
           ('kar:user:1', 'user', '1', 'another, of the same id'),
           ('kar:item:2', 'item', '2', 'another'),
           (null, null, null, 'of nobody known')) t(${columns})`,
      );
      const bare = await writeParquet(join(folder, 'bare.parquet'), "select 'only a text' as text");
      await duck.script('evaluate/held-out', {
        params: { prompts: listValue(['kar:item:1']), types: listValue(['item']), ids: listValue(['1']) },
        types: { prompts: list, types: list, ids: list },
      });
      const left = async (source: string) => {
        const path = join(folder, 'left.parquet');
        await duck.script('evaluate/pool-texts', { params: { file: source, path } });
        return (await duck.rows(`select text from '${path}' order by text`)).map(({ text }) => text);
      };
      assert.equal(await left(file), ['another', 'another, of the same id', 'of nobody known']);
      assert.equal(await left(bare), ['only a text']);
      const unknown = async (source: string) =>
        (await duck.scriptRows('evaluate/unknown-entities', { params: { file: source } }))[0]?.unknown;
      assert.equal([await unknown(file), await unknown(bare)], [1, 1]);
    }),
  ));

test('clicks: ratings that a prompt shows stay out; described ones come first', () =>
  withDuck(async (duck) => {
    await duck.run(
      `create table ratings as select user_id, item_id, rating::double as rating, make_timestamp(day * 86400000000) as rated_at
       from (values
         ('u', 'a', 5, 1), ('u', 'b', 4, 2), ('u', 'c', 5, 3),
         ('u', 'd', 3, 4),
         ('u', 'e', 1, 5), ('u', 'f', 2, 6),
         ('v', 'a', 3, 1), ('w', 'z', 3, 1)) t(user_id, item_id, rating, day)`,
    );
    const clicks = async (most: number) => {
      const rows = await duck.scriptRows('evaluate/clicks', {
        params: {
          types: listValue(['user', 'item']),
          ids: listValue(['u', 'a']),
          liked: 2,
          liked_from: 4,
          disliked: 1,
          disliked_to: 2,
          most,
        },
        types: { types: list, ids: list },
      });
      return rows.map((row) => `${row.user_id}${row.item_id} ${row.liked}${row.described}`);
    };
    const all = await clicks(100);
    assert.equal([...all].sort(), ['ua 11', 'ud 01', 'ue 01', 'va 01', 'wz 00']);
    assert.is(all.at(-1), 'wz 00');
    assert.equal(await clicks(3), all.slice(0, 3));
  }));

test('texts are judged in their order, JSON that of rlmrec alone', () =>
  withDuck(async (duck) => {
    await duck.script('features/faults');
    const texts = [
      { framework: 'rlmrec', text: '{"summarization": "a", "reasoning": "b"}' },
      { framework: 'rlmrec', text: '{"summarization": "a"' },
      { framework: 'kar', text: 'no JSON' },
      { framework: null, text: 'on and on '.repeat(10) },
    ];
    const judged = await duck.scriptRows('evaluate/judge', { params: { texts: JSON.stringify(texts) } });
    assert.equal(
      judged.map(({ repetitive, unparsable }) => [repetitive, unparsable]),
      [
        [false, false],
        [false, true],
        [false, null],
        [true, null],
      ],
    );
  }));

test.run();
