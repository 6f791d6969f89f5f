/**
 * A number from 0 to 1 (1 excluded) that depends on `seed` and `place` alone, both whole numbers of 32 bits: the
 * finaliser of MurmurHash3 by Austin Appleby (public domain) over both.
 */
export function draw(seed: number, place: number): number {
  let mixed = seed ^ Math.imul(place + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}
