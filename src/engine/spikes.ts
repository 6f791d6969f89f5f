/** Times of a cost table that other programs have lengthened: found by their neighbours, and measured again. */

/** A place of the table: of its batch sizes and of its numbers of rows. */
export interface Cell {
  b: number;
  r: number;
}

/** A time may be so many times what its neighbours allow: real costs have steps, where a kernel takes another tile. */
const steep = 1.5;
/** And so many times one with more rows or sequences: noise of single steps is about as large. */
const noise = 1.05;
/** Times that cells are looked for and measured again: one that was lengthened may hide another beside it. */
const rounds = 4;

/**
 * Cells that take longer than their neighbours allow, along the rows or along the batch sizes: longer than one with more of
 * them, or than 1.5 times the straight line between the neighbours; at the end 1.5 times what the one before takes in
 * proportion (twice the rows take at most twice as long).
 * @param milliseconds by batch size and rows; a line may end early, where the rest wasn't measured
 */
export function spikes(
  batch: readonly number[],
  rows: readonly number[],
  milliseconds: readonly (readonly number[])[],
): Cell[] {
  return milliseconds.flatMap((line, b) =>
    line.flatMap((value, r) => {
      const column = milliseconds.map((other) => other[r]);
      const most = Math.min(allowed(rows, line, r), allowed(batch, column, b));
      return value > most ? [{ b, r }] : [];
    }),
  );
}

/** What the neighbours of a value on a line allow it to be. */
function allowed(points: readonly number[], values: readonly (number | undefined)[], at: number): number {
  const [before, after] = [values[at - 1], values[at + 1]];
  const place = points[at] as number;
  const low = points[at - 1] as number;
  if (after === undefined)
    return before === undefined ? Number.POSITIVE_INFINITY : (steep * before * place) / low;
  if (before === undefined) return noise * after;
  const share = (place - low) / ((points[at + 1] as number) - low);
  return Math.min(noise * after, steep * (before + share * (after - before)));
}

/**
 * Measures cells again that stand out, and keeps the smaller of the times: whatever else a machine does can only add to
 * one. What stands out still then is so.
 * @param again milliseconds of some rows (their places) of a batch size (its place), measured anew
 * @param more whether there is time for it; asked before each round
 */
export async function settle(
  batch: readonly number[],
  rows: readonly number[],
  milliseconds: readonly (readonly number[])[],
  again: (b: number, places: readonly number[]) => Promise<number[]>,
  more: () => boolean = () => true,
): Promise<number[][]> {
  const settled = milliseconds.map((line) => [...line]);
  for (let round = 0; round < rounds && more(); round++) {
    const found = spikes(batch, rows, settled);
    if (found.length === 0) break;
    for (const [b, line] of settled.entries()) {
      const places = found.filter((cell) => cell.b === b).map(({ r }) => r);
      if (places.length === 0) continue;
      const times = await again(b, places);
      for (const [i, r] of places.entries())
        line[r] = Math.min(line[r] as number, times[i] ?? Number.POSITIVE_INFINITY);
    }
  }
  return settled;
}
