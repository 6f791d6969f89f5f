/**
 * Beta calibration (Kull, Silva Filho & Flach 2017): the chance that an estimate p comes is taken to be
 * logit q = a ln p - b ln(1 - p) + c. Three numbers bend the line at its two ends and in the middle, so few texts tell
 * them, where a map of twenty points would follow the accidents of the texts that it was learnt from.
 */

/** a, b and c. */
export type BetaCurve = readonly [a: number, b: number, c: number];

/** Chances come as they are estimated. */
export const asEstimated: BetaCurve = [1, 1, 0];

/** Outcomes are counted by estimate in so many bins. */
const bins = 200;
/** What an assumed curve counts for, as the precision of a normal distribution of each of its numbers. */
const precision = 100;
/** Newton's steps: the function has one maximum and is smooth, so these are more than enough. */
const steps = 20;
/** A step is halved so often at most. */
const halvings = 20;
/** What a step must gain for there to be another: of a likelihood whose accidents are whole nats. */
const enough = 1e-6;

/** The chance that an estimate comes: 0 for 0 and 1 for 1. */
export function chanceBy(curve: BetaCurve, estimate: number): number {
  if (estimate <= 0) return 0;
  if (estimate >= 1) return 1;
  return 1 / (1 + Math.exp(-oddsBy(curve, estimate)));
}

/** ln(q / (1 - q)) */
function oddsBy([a, b, c]: BetaCurve, estimate: number): number {
  return a * Math.log(estimate) - b * Math.log(1 - estimate) + c;
}

/** Fits a curve to outcomes. */
export class BetaFit {
  private readonly counts = new Float64Array(bins);
  private readonly came = new Float64Array(bins);

  add(estimate: number, came: boolean): void {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(estimate * bins)));
    this.counts[bin] = (this.counts[bin] as number) + 1;
    if (came) this.came[bin] = (this.came[bin] as number) + 1;
  }

  /**
   * The curve of the highest likelihood. One that falls somewhere is possible where outcomes are few, or odd.
   * @param usual curve that few outcomes don't lead far from
   */
  curve(usual = asEstimated): BetaCurve {
    let curve: BetaCurve = usual;
    let value = this.valueOf(curve, usual);
    for (let step = 0; step < steps; step++) {
      const by = this.newtonStep(curve, usual);
      let gained = 0;
      for (let share = 1, tried = 0; gained <= 0 && tried < halvings; share /= 2, tried++) {
        const [a, b, c] = curve;
        const next: BetaCurve = [a + share * by[0], b + share * by[1], c + share * by[2]];
        gained = this.valueOf(next, usual) - value;
        if (gained > 0) curve = next;
      }
      if (gained <= enough) break;
      value += gained;
    }
    return curve;
  }

  /** Log-likelihood of the outcomes, and of the curve beside the usual one. */
  private valueOf(curve: BetaCurve, usual: BetaCurve): number {
    let value = 0;
    for (const [i, number] of curve.entries())
      value -= (precision / 2) * (number - (usual[i] as number)) ** 2;
    for (let bin = 0; bin < bins; bin++) {
      const count = this.counts[bin] as number;
      if (count === 0) continue;
      const odds = oddsBy(curve, (bin + 0.5) / bins);
      // ln of the logistic function, of odds of any size
      const misses = Math.max(0, odds) + Math.log1p(Math.exp(-Math.abs(odds)));
      value += (this.came[bin] as number) * odds - count * misses;
    }
    return value;
  }

  private newtonStep(curve: BetaCurve, usual: BetaCurve): [number, number, number] {
    const gradient = curve.map((value, i) => precision * ((usual[i] as number) - value));
    const curvature = [0, 1, 2].map((i) => [0, 1, 2].map((j) => (i === j ? precision : 0)));
    for (let bin = 0; bin < bins; bin++) {
      const count = this.counts[bin] as number;
      if (count === 0) continue;
      const estimate = (bin + 0.5) / bins;
      const chance = chanceBy(curve, estimate);
      const features = [Math.log(estimate), -Math.log(1 - estimate), 1];
      const excess = (this.came[bin] as number) - count * chance;
      const spread = count * chance * (1 - chance);
      features.forEach((feature, i) => {
        gradient[i] = (gradient[i] as number) + excess * feature;
        const row = curvature[i] as number[];
        features.forEach((other, j) => {
          row[j] = (row[j] as number) + spread * feature * other;
        });
      });
    }
    return solve(curvature, gradient);
  }
}

/** Of a symmetric system with a positive diagonal, by Gauss-Jordan elimination: no pivoting is needed. */
function solve(matrix: readonly number[][], right: readonly number[]): [number, number, number] {
  const rows = matrix.map((row, i) => [...row, right[i] as number]);
  rows.forEach((row, i) => {
    const pivot = row[i] as number;
    for (let k = 0; k < row.length; k++) row[k] = (row[k] as number) / pivot;
    rows.forEach((other, j) => {
      if (j === i) return;
      const factor = other[i] as number;
      for (let k = 0; k < row.length; k++) other[k] = (other[k] as number) - factor * (row[k] as number);
    });
  });
  return rows.map((row) => row[row.length - 1]) as [number, number, number];
}
