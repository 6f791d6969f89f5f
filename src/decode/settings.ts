import { join } from 'node:path';
import type { DecodeConfig, StandaloneConfig } from '../config/schema.js';
import type { CostTable } from '../engine/cost-table.js';
import type { Engine } from '../engine/engine.js';
import type { EngineOptions } from '../engine/open.js';
import { userCache } from '../paths.js';
import type { DecodeRules, DecodeSettings } from './sequence.js';

/** Whether rows are weighed by what they cost: not where there are no drafts, or the size of drafts is given. */
export function needsCosts({ mode, nodes, minPathProbability }: DecodeRules): boolean {
  return mode !== 'autoregressive' && nodes !== 0 && minPathProbability === undefined;
}

/** Settings where rules leave something to the engine. @param costs where `needsCosts` */
export function settingsFor(
  { usualRows, nearTieMargin }: Pick<Engine, 'usualRows' | 'nearTieMargin'>,
  rules: DecodeRules,
  costs?: CostTable,
): DecodeSettings {
  const nodes = rules.nodes === 'auto' ? usualRows - 1 : rules.nodes;
  return { ...rules, nearTieMargin, nodes, ...(costs === undefined ? {} : { costs }) };
}

/**
 * A draft node less likely than this to be reached isn't drafted where the number of nodes is given in mode relaxed: a text
 * must not depend on what steps cost on one machine, with one concurrency.
 */
const leastOfGiven = 0.05;

/** What follows for drafts from a number of nodes that is given; nothing in most modes. */
export function sizeRule({
  mode,
  reproducible,
  nodes,
}: Pick<DecodeRules, 'mode' | 'reproducible' | 'nodes'>): Pick<DecodeRules, 'minPathProbability'> {
  const isGiven = mode === 'relaxed' && reproducible && nodes !== 'auto';
  return isGiven ? { minPathProbability: leastOfGiven } : {};
}

/** Decoding rules of a configuration. */
export function decodeSettings(config: DecodeConfig): DecodeRules {
  const {
    mode,
    maxNewTokens,
    topK,
    minProb,
    divergenceBudget,
    minGain,
    nodes,
    stop,
    repetitionPenalty,
    reproducible,
  } = config;
  const { temperature, topK: likeliest, topP, minP } = config.sampling;
  return {
    mode,
    maxNewTokens,
    topK,
    minProb,
    divergenceBudget,
    minGain,
    nodes,
    stop,
    repetitionPenalty,
    reproducible,
    ...sizeRule({ mode, reproducible, nodes }),
    sampling: { temperature, topK: likeliest, topP, minP },
  };
}

/**
 * Whether checksums of pools are compared before they are drafted from. Damaged counts can change texts of mode relaxed, in
 * the other modes only how many steps they take.
 */
export function verifiesPools({ verifyPools, mode }: DecodeConfig): boolean {
  return verifyPools ?? mode === 'relaxed';
}

/** What is known of the prompts of a run before they are read. */
export interface PromptsAhead {
  /** How many: a given concurrency beyond it would only take memory. */
  count?: number | undefined;
  /** Tokens of the longest one: a GPU takes no more texts together than it has room for at that length. */
  longest?: number | undefined;
}

/** The engine that a configuration asks for. */
export function engineOptions(
  model: string,
  config: StandaloneConfig,
  { count = Number.POSITIVE_INFINITY, longest }: PromptsAhead = {},
): EngineOptions {
  const { cache, threads, device, adapter, weights } = config.model;
  const { concurrency, maxNewTokens } = config.decode;
  return {
    model,
    cache: cache ?? defaultModelCache(),
    slots: concurrency === 'auto' ? undefined : Math.min(concurrency, Math.max(count, 1)),
    columns: longest === undefined ? undefined : longest + maxNewTokens,
    threads: threads ?? 0,
    device,
    adapter,
    weights,
  };
}

/** Where converted models are kept when the configuration doesn't say: a folder of the user's cache. */
export function defaultModelCache(): string {
  return join(userCache(), 'models');
}
