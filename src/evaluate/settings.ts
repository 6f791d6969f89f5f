import type { Setting } from './rows.js';

/** Bounds of mode relaxed. */
export interface RelaxedBounds {
  topK: number;
  minProb: number;
  /** Nats a text. */
  divergenceBudget: number;
  /** Tokens that a relaxed one must bring at a text's beginning. */
  minGain: number;
}

/** How many draft nodes a step may have. */
export type Nodes = number | 'auto';

/** The reference: one token a step. */
export const autoregressive: Setting = {
  name: 'autoregressive',
  mode: 'autoregressive',
  topK: null,
  minProb: null,
  divergenceBudget: null,
  minGain: null,
  nodes: null,
};

/** @param more what its name says beyond the mode */
export function greedy(nodes: Nodes, more = ''): Setting {
  return { ...autoregressive, name: `greedy${more}`, mode: 'greedy', nodes };
}

/** @param more what its name says beyond the bounds */
export function relaxed(bounds: RelaxedBounds, nodes: Nodes, more = ''): Setting {
  const { topK, minProb, divergenceBudget, minGain } = bounds;
  const name = `relaxed ${divergenceBudget} nats, top ${topK}, p ${minProb}, gain ${minGain}${more}`;
  return { name, mode: 'relaxed', topK, minProb, divergenceBudget, minGain, nodes };
}

/**
 * What an evaluation compares: autoregressive, greedy, relaxed as it is configured, and with other divergence budgets.
 * The configured one comes third.
 */
export function comparedSettings(bounds: RelaxedBounds, nodes: Nodes, budgets: readonly number[]): Setting[] {
  const others = [...new Set(budgets)].filter((budget) => budget !== bounds.divergenceBudget);
  others.sort((a, b) => a - b);
  return [
    autoregressive,
    greedy(nodes),
    relaxed(bounds, nodes),
    ...others.map((divergenceBudget) => relaxed({ ...bounds, divergenceBudget }, nodes)),
  ];
}
