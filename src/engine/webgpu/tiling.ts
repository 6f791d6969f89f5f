/** How matmul-matrix divides a product: measured on an H200, where a step's products are too small to fill the GPU. */

export interface Tiling {
  /** A workgroup computes [side, side] results. */
  side: 32 | 64;
  /** Numbers of inputs that it takes at a time. */
  piece: number;
  /** Subgroups that share these between them. */
  parts: number;
}

/** Cores of the GPU that this was measured on, and bytes that each has for the memory of all workgroups on it. */
const cores = 132;
const memoryOfCore = 50_000;

/** In this order where they take equally many turns. A workgroup has 256 threads at most. */
const tilings: readonly Tiling[] = [
  { side: 32, piece: 256, parts: 8 },
  { side: 32, piece: 192, parts: 6 },
  { side: 32, piece: 128, parts: 4 },
  { side: 32, piece: 96, parts: 3 },
  { side: 32, piece: 64, parts: 2 },
  { side: 64, piece: 128, parts: 2 },
  { side: 64, piece: 96, parts: 2 },
  { side: 64, piece: 64, parts: 2 },
  // for inputs that none of the others divides
  { side: 32, piece: 32, parts: 1 },
  { side: 64, piece: 32, parts: 1 },
];

/**
 * The tiling for a product of so many rows, outputs and inputs; undefined where none divides the inputs or fits into a
 * workgroup's memory, in bytes.
 *
 * A workgroup waits for memory once a piece, so the fewest pieces win among the tilings whose workgroups are on the GPU all
 * at once: with 64 rows `down` of SmolLM2-135M (1,536 inputs) takes 10 us in pieces of 256, 20 in pieces of 64. With more
 * workgroups it is the work that counts, and large tiles read the least.
 */
export function tilingFor(rows: number, outputs: number, inputs: number, memory: number): Tiling | undefined {
  const fitting = tilings.filter((tiling) => inputs % tiling.piece === 0 && bytesOf(tiling) <= memory);
  const atOnce = fitting.filter((tiling) => {
    const workgroups = Math.ceil(rows / tiling.side) * Math.ceil(outputs / tiling.side);
    return workgroups <= cores * Math.floor(memoryOfCore / bytesOf(tiling));
  });
  const [first] = atOnce.sort((a, b) => b.piece - a.piece);
  const large = fitting.filter(({ side, piece }) => side === 64 && piece <= 64);
  return first ?? large[0];
}

/** Workgroup memory of matmul-matrix: a piece of both tiles, each row 16 bytes longer, and a float for each row. */
function bytesOf({ side, piece }: Tiling): number {
  return 2 * side * (piece / 8 + 1) * 16 + side * 4;
}
