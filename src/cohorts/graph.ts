import { setImmediate } from 'node:timers/promises';
import type { Duck } from '../lake/duck.js';
import { numberColumns } from '../lake/number-columns.js';
import type { GraphSize } from './groups.js';

/**
 * Likes of the users that have enough of them: those of the user n are at starts[n] up to starts[n + 1], ordered by item.
 * Users and items go by their numbers from 0; who is not in the graph has no likes in it. 8 bytes a like, in memory that
 * threads share.
 */
export interface LikeGraph {
  starts: Uint32Array;
  items: Int32Array;
  /** Whole numbers from 1 to 2^16. */
  weights: Int32Array;
  /** Sums of the weights. */
  itemDegrees: Float64Array;
  size: GraphSize;
}

/** Called between two pieces of work of a fraction of a second: lets signals in, and throws to stop. */
export type Pause = () => Promise<void>;

/** A pause that calls `check`. */
export function pauseFor(check: () => void): Pause {
  return async () => {
    await setImmediate();
    check();
  };
}

/** Likes that are worked on between two pauses, about. */
export const likesAtOnce = 1 << 20;

/**
 * The graph of the table `likes` (sql/segment/likes.sql), whose rows are in order, over the numbers of openInputs.
 * Users with fewer than `minRatings` likes are left out.
 */
export async function readGraph(duck: Duck, minRatings: number): Promise<LikeGraph> {
  const [counts] = await duck.scriptRows('segment/like-counts');
  const [users, itemCount, likes] = [counts?.users, counts?.items, counts?.likes].map(Number) as [
    number,
    number,
    number,
  ];
  const starts = new Uint32Array(new SharedArrayBuffer(4 * (users + 1)));
  const items = new Int32Array(new SharedArrayBuffer(4 * likes));
  const weights = new Int32Array(new SharedArrayBuffer(4 * likes));
  let end = 0;
  let start = 0;
  let current = -1;
  const close = (next: number) => {
    if (end - start < minRatings) end = start;
    starts.fill(end, current + 1, next + 1);
    start = end;
    current = next;
  };
  for await (const page of numberColumns(duck, 'likes', ['user_number', 'item_number', 'weight'])) {
    const [ofUser, ofItem, weight] = page as [Int32Array, Int32Array, Int32Array];
    for (let row = 0; row < ofUser.length; row++) {
      const user = ofUser[row] as number;
      if (user !== current) close(user);
      items[end] = ofItem[row] as number;
      weights[end] = weight[row] as number;
      end++;
    }
  }
  close(users);
  const graph = { starts, items: items.subarray(0, end), weights: weights.subarray(0, end) };
  const itemDegrees = degreesOf(graph, itemCount);
  return { ...graph, itemDegrees, size: sizeOf(graph, itemDegrees) };
}

/** Numbers of the users that are in the graph, ascending. */
export function usersOf({ starts, size }: Pick<LikeGraph, 'starts' | 'size'>): Int32Array {
  const users = new Int32Array(size.users);
  let at = 0;
  for (let user = 0; user + 1 < starts.length; user++) {
    if ((starts[user + 1] as number) > (starts[user] as number)) users[at++] = user;
  }
  return users;
}

/** The sum of a user's weights. */
export function degreeOf({ starts, weights }: Pick<LikeGraph, 'starts' | 'weights'>, user: number): number {
  let degree = 0;
  const end = starts[user + 1] as number;
  for (let like = starts[user] as number; like < end; like++) degree += weights[like] as number;
  return degree;
}

type Likes = Pick<LikeGraph, 'starts' | 'items' | 'weights'>;

function degreesOf({ items, weights }: Likes, count: number): Float64Array {
  const degrees = new Float64Array(count);
  for (let like = 0; like < items.length; like++) {
    const item = items[like] as number;
    degrees[item] = (degrees[item] as number) + (weights[like] as number);
  }
  return degrees;
}

function sizeOf(likes: Likes, itemDegrees: Float64Array): GraphSize {
  const { starts, items, weights } = likes;
  let users = 0;
  let squareSum = 0;
  for (let user = 0; user + 1 < starts.length; user++) {
    const start = starts[user] as number;
    const end = starts[user + 1] as number;
    if (end === start) continue;
    users++;
    let sum = 0;
    for (let like = start; like < end; like++) {
      const weight = weights[like] as number;
      sum += (weight * weight) / (itemDegrees[items[like] as number] as number);
    }
    squareSum += sum / degreeOf(likes, user);
  }
  const liked = itemDegrees.reduce((count, degree) => count + (degree > 0 ? 1 : 0), 0);
  return { users, items: liked, edges: items.length, squareSum };
}
