import { type ArmResult, arms, type Interval } from './downstream.js';

/** AUC that features may lose and still count as no worse. */
export const margin = 0.002;

/** too-weak: the data can't tell; undecided: neither a loss nor its absence is shown. */
export type Verdict = 'non-inferior' | 'loses' | 'undecided' | 'too-weak';

export interface Statement {
  verdict: Verdict;
  /** One sentence for people. */
  sentence: string;
}

/**
 * What a comparison says of some features, against those of autoregressive texts. Where these don't beat no features, or
 * the control of shuffled ones doesn't lose to them, it says nothing: then no loss could have been seen.
 */
export function statementOf(name: string, results: readonly ArmResult[]): Statement {
  const of = (wanted: string) => results.find((result) => result.name === wanted)?.difference as Interval;
  const [none, control, own] = [of(arms.none), of(arms.control), of(name)];
  if ([none, control, own].some(({ low }) => Number.isNaN(low)))
    return weak('there are too few ratings to predict, or all are alike');
  // differences are to the reference: what loses to it lies below 0
  if (!(none.high < 0)) return weak(`autoregressive features don't beat none (${shown(negated(none))})`);
  if (!(control.high < 0))
    return weak(`shuffled features don't lose to autoregressive ones (${shown(control)})`);
  if (own.low >= -margin)
    return {
      verdict: 'non-inferior',
      sentence: `${name}: non-inferior within ${margin} AUC (${shown(own)})`,
    };
  if (own.high < 0)
    return { verdict: 'loses', sentence: `${name}: loses ${(-own.mean).toFixed(4)} AUC (${shown(own)})` };
  return {
    verdict: 'undecided',
    sentence: `${name}: no loss is shown, but one of ${(-own.low).toFixed(4)} AUC can't be ruled out (${shown(own)})`,
  };
}

function weak(why: string): Statement {
  return { verdict: 'too-weak', sentence: `the data set is too weak to show a loss: ${why}` };
}

function shown({ mean, low, high }: Interval): string {
  const signed = (value: number) => `${value < 0 ? '' : '+'}${value.toFixed(4)}`;
  return `${signed(mean)} AUC, 95% ${signed(low)} to ${signed(high)}`;
}

function negated({ mean, low, high }: Interval): Interval {
  return { mean: -mean, low: -high, high: -low };
}
