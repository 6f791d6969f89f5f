/** Options of `dare evaluate` and `dare tune` -> what is to be decoded. */
import type { EvaluateOptions } from '../../pipeline/evaluate.js';
import type { TuneOptions } from '../../pipeline/tune.js';
import type { DecodeConfig } from '../config/schema.js';
import type { Nodes } from '../evaluate/settings.js';
import type { Options } from './arguments.js';
import { numbers, reals, wholeNumber } from './values.js';

/** Users, and items, where nobody says how many. */
const usualLimit = 100;
/** What is tried, where nobody says. */
const usualTrials = { budgets: '1,4,16', topK: '2,3', minProb: '0.05,0.1,0.2' };
/** Nats a token that may be given away. */
const usualLoss = '0.05';
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

/** @throws inputError for a value that isn't what the option takes */
export function tuneOptions(options: Options, { nodes }: DecodeConfig): TuneOptions {
  const { 'divergence-budget': budgets = usualTrials.budgets, 'top-k': topK = usualTrials.topK } = options;
  const { 'min-prob': minProb = usualTrials.minProb, 'max-loss': loss = usualLoss } = options;
  const [maxLoss] = reals('max-loss', loss, 0, Number.POSITIVE_INFINITY) as [number, ...number[]];
  return {
    limit: limitOf(options),
    divergenceBudgets: reals('divergence-budget', budgets, 0, Number.POSITIVE_INFINITY),
    topK: numbers('top-k', topK, 1, 64),
    minProb: reals('min-prob', minProb, 0, 1),
    nodes: options.nodes === undefined ? [nodes] : nodesOf(options.nodes),
    maxLoss,
  };
}

function nodesOf(text: string): Nodes[] {
  const words = [...new Set(text.split(',').map((part) => part.trim()))];
  return words.map((word) => (word === 'auto' ? word : wholeNumber('nodes', word, 1, 256)));
}

function limitOf({ limit }: Options): number {
  return limit === undefined ? usualLimit : wholeNumber('limit', limit, 2, 1e6);
}
