/** Options of `dare evaluate` and `dare tune` -> what is to be decoded. */
import type { TuneOptions } from '../../pipeline/tune.js';
import type { Config } from '../config/schema.js';
import type { Nodes } from '../evaluate/settings.js';
import type { Options } from './arguments.js';
import { numbers, reals, wholeNumber } from './values.js';

/** What is tried, where nobody says. */
const usualTrials = { budgets: '1,4', topK: '2,3', minProb: '0.05,0.1', nodes: 'auto,16,32' };
/** Nats a token that may be given away. */
const usualLoss = '0.05';
/** The configuration with what the options say in place of its keys. @throws inputError for a value that doesn't fit */
export function evaluateConfig(options: Options, config: Config): Config {
  const { 'divergence-budget': budgets } = options;
  const { divergenceBudgets } = config.evaluate;
  return {
    ...config,
    evaluate: {
      limit: limitOf(options, config),
      divergenceBudgets: budgets === undefined ? divergenceBudgets : budgetsOf(budgets),
    },
  };
}

/** @throws inputError for a value that isn't what the option takes */
export function tuneOptions(options: Options, config: Config): TuneOptions {
  const { 'divergence-budget': budgets = usualTrials.budgets, 'top-k': topK = usualTrials.topK } = options;
  const { 'min-prob': minProb = usualTrials.minProb, nodes = usualTrials.nodes } = options;
  const { 'max-loss': loss = usualLoss } = options;
  const { 'min-gain': minGain = String(config.decode.minGain) } = options;
  const [maxLoss] = reals('max-loss', loss, 0, Number.POSITIVE_INFINITY) as [number, ...number[]];
  return {
    limit: limitOf(options, config),
    divergenceBudgets: budgetsOf(budgets),
    topK: numbers('top-k', topK, 1, 64),
    minProb: reals('min-prob', minProb, 0, 1),
    minGain: reals('min-gain', minGain, 0, 256),
    nodes: nodesOf(nodes),
    maxLoss,
  };
}

function nodesOf(text: string): Nodes[] {
  const words = [...new Set(text.split(',').map((part) => part.trim()))];
  return words.map((word) => (word === 'auto' ? word : wholeNumber('nodes', word, 1, 256)));
}

function budgetsOf(text: string): number[] {
  return reals('divergence-budget', text, 0, Number.POSITIVE_INFINITY);
}

function limitOf({ limit }: Options, { evaluate }: Config): number {
  return limit === undefined ? evaluate.limit : wholeNumber('limit', limit, 2, 1e6);
}
