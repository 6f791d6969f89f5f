/**
 * What the estimated chance of a draft's path is worth: how often paths of such an estimate come. A path's estimate is a
 * product over its tokens, which don't come independently: a text that goes along with the pools tends to go on so. The
 * map never falls, so paths keep their order. It is learnt when pools are built and stands in the shared pool, beside one
 * for texts of each entity type.
 */

/** Chances are mapped by straight lines between points this far apart: 0, which is kept, and those in the metadata. */
const step = 0.05;
/** How many points a pool's metadata has. */
export const chancePoints = 20;
/** Chances are kept in pool files in units of this: they are the same wherever they are read. */
const unit = 1e-4;
/** A chance of 1 in the metadata. */
export const certain = 10_000;

/** Where an estimate lies: the point before it (0: that of chance 0), and how far on it is to the next one. */
export function pointOf(estimate: number): { point: number; beyond: number } {
  const at = Math.min(chancePoints, Math.max(0, estimate / step));
  const point = Math.min(chancePoints - 1, Math.floor(at));
  return { point, beyond: at - point };
}

/** The estimate that a point stands for. */
export function estimateAt(point: number): number {
  return point * step;
}

/** As they stand in a pool's metadata (`chances`). @param values of the points but for the first, never falling */
export function encodeChances(values: readonly number[]): number[] {
  return values.map((value) => Math.min(certain, Math.max(0, Math.round(value / unit))));
}

/** A map from estimated chances to those that come true. */
export class Chances {
  private readonly values: Float64Array;

  /**
   * @param encoded see `encodeChances`
   * @throws RangeError for another number of points, or what is no chance, or falls
   */
  constructor(encoded: readonly number[]) {
    if (encoded.length !== chancePoints)
      throw new RangeError(`expected ${chancePoints} chances, not ${encoded.length}`);
    let before = 0;
    for (const value of encoded) {
      if (!(value >= before && value <= certain))
        throw new RangeError(`a chance is ${value}, expected ${before} to ${certain}`);
      before = value;
    }
    this.values = Float64Array.of(0, ...encoded.map((value) => value * unit));
  }

  /** The chance that a path of this estimated chance comes. */
  of(estimate: number): number {
    const { point, beyond } = pointOf(estimate);
    const low = this.values[point] as number;
    return low + beyond * ((this.values[point + 1] as number) - low);
  }

  /** The least estimate whose path comes with this chance or a higher one; Infinity where none does. */
  estimateOf(chance: number): number {
    const { values } = this;
    if (chance <= 0) return 0;
    let point = 1;
    while (point <= chancePoints && (values[point] as number) < chance) point++;
    if (point > chancePoints) return Number.POSITIVE_INFINITY;
    const low = values[point - 1] as number;
    return step * (point - 1 + (chance - low) / ((values[point] as number) - low));
  }
}
