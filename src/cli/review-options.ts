/** Options of `dare evaluate` and `dare tune` -> what is to be decoded. */
import type { EvaluateOptions } from '../../pipeline/evaluate.js';
import type { Options } from './arguments.js';
import { reals, wholeNumber } from './values.js';

/** Users, and items, where nobody says how many. */
const usualLimit = 100;
/** Nats a text beside the configured budget. */
const usualBudgets = '1,2,8,16';

/** @throws inputError for a value that isn't what the option takes */
export function evaluateOptions(options: Options): EvaluateOptions {
  const { 'divergence-budget': budgets = usualBudgets } = options;
  return {
    limit: limitOf(options),
    divergenceBudgets: reals('divergence-budget', budgets, 0, Number.POSITIVE_INFINITY),
  };
}

function limitOf({ limit }: Options): number {
  return limit === undefined ? usualLimit : wholeNumber('limit', limit, 2, 1e6);
}
