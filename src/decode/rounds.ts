import { createHash } from 'node:crypto';

/**
 * Rounds of a run that has no earlier texts: a first share of the prompts is decoded with drafts from their own text
 * alone, its texts make the first pools, and each further round goes `growth` times as far.
 * @returns the share of all prompts that is done after each round; the last one is 1
 */
export function roundShares(first: number, growth: number): number[] {
  const shares: number[] = [];
  for (let share = first; share < 1; share *= growth) shares.push(share);
  return [...shares, 1];
}

/** The round of a prompt: decided by a hash of its id, so it depends on nothing else. */
export function roundOf(promptId: string, shares: readonly number[]): number {
  const place = hashShare(promptId);
  const round = shares.findIndex((share) => place < share);
  return round < 0 ? shares.length - 1 : round;
}

/** The first 32 bits of the id's md5 as a number in [0, 1). */
export function hashShare(promptId: string): number {
  return createHash('md5').update(promptId).digest().readUInt32BE(0) / 2 ** 32;
}
