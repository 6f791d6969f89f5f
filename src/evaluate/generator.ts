/**
 * Random numbers in [0, 1) from a seed, the same on every machine: mulberry32 by Tommy Ettinger (public domain), a
 * 32-bit state stepped by a Weyl sequence and mixed. For shuffles and starting values, not for secrets.
 */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Changes the order of a list in place (Fisher and Yates). */
export function shuffle<T extends Int32Array | unknown[]>(list: T, random: () => number): T {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}
