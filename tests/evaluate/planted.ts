/** Clicks of users whose tastes are known, and features that tell them more or less well. */
import type { Features } from '../../src/evaluate/click-model.js';
import type { ClickData } from '../../src/evaluate/downstream.js';
import { generator } from '../../src/evaluate/generator.js';

export const width = 4;
const [users, items, each] = [150, 120, 24];

/** Values from -1 to 1. */
function uniform(size: number, seed: number): Float32Array {
  const random = generator(seed);
  return Float32Array.from({ length: size }, () => 2 * random() - 1);
}

/** What users and items are like: a user likes an item the more, the more their entries agree. */
export const truth: Features = { width, users: uniform(users * width, 1), items: uniform(items * width, 2) };

/** Of each user some clicks on random items. */
export function plantedClicks(): ClickData {
  const random = generator(3);
  const size = users * each;
  const data: ClickData = {
    users: Int32Array.from({ length: size }, (_, i) => Math.floor(i / each)),
    items: Int32Array.from({ length: size }, () => Math.floor(random() * items)),
    liked: new Uint8Array(size),
    described: new Uint8Array(size).fill(1),
  };
  data.liked.forEach((_, i) => {
    const [user, item] = [(data.users[i] as number) * width, (data.items[i] as number) * width];
    let odds = 0;
    for (let k = 0; k < width; k++)
      odds += 4 * (truth.users[user + k] as number) * (truth.items[item + k] as number);
    data.liked[i] = random() < 1 / (1 + Math.exp(-odds)) ? 1 : 0;
  });
  return data;
}

/** The truth with noise: 0 changes nothing, with 1 nothing of it is left. */
export function noisy(share: number, seed: number): Features {
  const mix = (values: Float32Array, noise: Float32Array) =>
    values.map((value, i) => (1 - share) * value + share * (noise[i] as number));
  return {
    width,
    users: mix(truth.users, uniform(truth.users.length, seed)),
    items: mix(truth.items, uniform(truth.items.length, seed + 1)),
  };
}
