import { type LikeGraph, readGraph } from '../../src/cohorts/graph.js';
import { Duck } from '../../src/lake/duck.js';

/** Likes as [user, item, weight], in order. */
export type Like = readonly [number, number, number];

/** The graph of these likes, read from tables as the stage does. */
export async function graphOf(
  users: number,
  items: number,
  likes: readonly Like[],
  minRatings = 1,
): Promise<LikeGraph> {
  const duck = await Duck.open();
  try {
    await duck.run(`create table user_numbers as select range::integer as user_number from range(${users})`);
    await duck.run(`create table item_numbers as select range::integer as item_number from range(${items})`);
    await duck.run('create table likes(user_number integer, item_number integer, weight integer)');
    for (const like of likes) await duck.run(`insert into likes values (${like.join(', ')})`);
    return await readGraph(duck, minRatings);
  } finally {
    duck.close();
  }
}
