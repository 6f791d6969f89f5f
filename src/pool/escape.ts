/**
 * How far the counts of a context are trusted. What comes next is looked up in the longest context first; with the
 * context's escape probability the next token isn't drawn from its counts, and the next context is asked (prediction by
 * partial matching: Cleary & Witten 1984). Contexts fall into classes by where they were found, their length, how often
 * they were seen and how clear their counts are. Each class has one escape probability, fitted to texts (`EscapeFit`).
 */
import type { Followers } from './ngrams.js';

/** Where a context is looked up, in this order at each length. */
export const sourceNames = ['cohort', 'shared', 'own'] as const;
export const sources = sourceNames.length;
/**
 * In place of a source, in classes: own text of earlier turns (worked examples) where a pool knows the context too. The
 * pools' texts were written after the same examples, so these tell little that the pools don't. Fits don't know prompts:
 * this origin keeps its usual escape probabilities.
 */
export const earlierTurns = sources;
const origins = sources + 1;

/** Longer contexts count as this long. */
const longest = 7;
/** Classes of totals: 1, 2, up to 4, 8, ... 128, and more. */
const totals = 9;
/** Least share of the likeliest token in classes 1 to 4; class 0 has but one token. */
const leastShares = [0.9, 0.6, 0.3, 0];
const shapes = 1 + leastShares.length;
/** Number of classes: length of an array of escape probabilities. */
export const escapeClasses = origins * (longest + 1) * totals * shapes;

/**
 * @param source or `earlierTurns`
 * @param after what followed the context; its total is at least 1
 */
export function escapeClass(source: number, length: number, after: Followers): number {
  const { total } = after;
  const size = Math.min(totals - 1, 32 - Math.clz32(total - 1));
  return ((source * (longest + 1) + Math.min(longest, length)) * totals + size) * shapes + shapeOf(after);
}

function shapeOf({ distinct, size, counts, total }: Followers): number {
  if (distinct === 1) return 0;
  let top = 0;
  for (let i = 0; i < size; i++) top = Math.max(top, counts[i] as number);
  let shape = 1;
  while (top < total * (leastShares[shape - 1] as number)) shape++;
  return shape;
}

/** Escape probabilities by class. */
export type Escapes = Float64Array;

/** Log-odds of escaping as a sum: by source, by shape, a slope by shape for each doubling of the total, by length. */
const usual = {
  source: [0.9, 1.06, 0.6, 3],
  shape: [-0.05, -1.31, 0.72, 1.13, 2.06],
  doubling: [-0.29, -0.04, -0.27, -0.26, -0.32],
  length: 0.11,
};

/**
 * Escape probabilities where no pool brings its own: a logistic fit to texts of two models. That of earlier turns was
 * chosen by tokens a step and by how chances come true after few-shot prompts.
 */
export const usualEscapes: Escapes = Float64Array.from({ length: escapeClasses }, (_, index) => {
  const shape = index % shapes;
  const size = Math.floor(index / shapes) % totals;
  const length = Math.floor(index / (shapes * totals)) % (longest + 1);
  const source = Math.floor(index / (shapes * totals * (longest + 1)));
  const odds =
    (usual.source[source] as number) +
    (usual.shape[shape] as number) +
    (usual.doubling[shape] as number) * size +
    usual.length * length;
  return 1 / (1 + Math.exp(-odds));
});

/** Escape probabilities are kept in pool files in units of this: they are the same wherever they are read. */
const unit = 1e-4;

/** As they stand in a pool's metadata (`weights`): integers from 1 to 9999, one a class. */
export function encodeEscapes(escapes: Escapes): number[] {
  return Array.from(escapes, (value) => Math.min(9999, Math.max(1, Math.round(value / unit))));
}

/** @throws RangeError for another number of classes, or what is no probability */
export function decodeEscapes(weights: readonly number[]): Escapes {
  if (weights.length !== escapeClasses)
    throw new RangeError(`expected ${escapeClasses} weights, not ${weights.length}`);
  return Float64Array.from(weights, (weight) => {
    if (!(weight >= 1 && weight <= 9999)) throw new RangeError(`a weight is ${weight}, expected 1 to 9999`);
    return weight * unit;
  });
}
