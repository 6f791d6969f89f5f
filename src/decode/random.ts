import { createHash } from 'node:crypto';

/** Names the random stream of one prompt: two words of 32 bits. */
export type StreamKey = readonly [number, number];

/** The stream of a prompt: decided by the seed and the prompt's id alone, not by order, concurrency or drafts. */
export function streamKey(seed: number, promptId: string): StreamKey {
  const digest = createHash('sha256').update(`${seed}\0${promptId}`).digest();
  return [digest.readUInt32BE(0), digest.readUInt32BE(4)];
}

/** The stream's number at a position, in [0, 1) with 53 bits. No state: any position can be asked at any time. */
export function uniform([k0, k1]: StreamKey, position: number): number {
  const [first, second] = philox([position, 0, 0, 0], [k0, k1]);
  return ((first >>> 5) * 2 ** 26 + (second >>> 6)) / 2 ** 53;
}

type Words = [number, number, number, number];

/**
 * Philox4x32-10, a counter-based generator: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as
 * 1, 2, 3", https://doi.org/10.1145/2063384.2063405
 */
export function philox(counter: Readonly<Words>, key: readonly [number, number]): Words {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The 64 bits of a product of two 32-bit words: upper and lower half. */
function multiply(a: number, b: number): [high: number, low: number] {
  const product = BigInt(a) * BigInt(b);
  return [Number(product >> 32n), Number(product & 0xffffffffn)];
}
