import { homedir } from 'node:os';
import { join } from 'node:path';
import type { DecodeConfig, StandaloneConfig } from '../config/schema.js';
import type { Engine } from '../engine/engine.js';
import type { EngineOptions } from '../engine/open.js';
import type { DecodeRules, DecodeSettings } from './sequence.js';

/** What an engine says of drafts. */
export type DraftCosts = Pick<Engine, 'rowCost' | 'usualNodes' | 'nearTieMargin'>;

/** Tokens that a step usually brings with drafts: what a row's cost is weighed against. */
const usualTokens = 10 / 3;

/**
 * What the rules leave to the engine. A draft node is worth its row where its chance of being accepted, in tokens, is above
 * what the row costs in tokens of the time a step takes. Texts of mode relaxed depend on the tree, so there the cost must
 * not depend on the concurrency.
 */
export function settingsFor(
  { rowCost, usualNodes, nearTieMargin }: DraftCosts,
  rules: DecodeRules,
): DecodeSettings {
  const { mode, nodes, minPathProbability } = rules;
  return {
    ...rules,
    nearTieMargin,
    nodes: nodes === 'auto' ? usualNodes : nodes,
    minPathProbability: minPathProbability ?? usualTokens * (mode === 'relaxed' ? rowCost.any : rowCost.now),
  };
}

/** Decoding rules of a configuration. */
export function decodeSettings(config: DecodeConfig): DecodeRules {
  const { mode, maxNewTokens, topK, minProb, divergenceBudget, nodes, stop, repetitionPenalty } = config;
  const { temperature, topK: likeliest, topP, minP } = config.sampling;
  return {
    mode,
    maxNewTokens,
    topK,
    minProb,
    divergenceBudget,
    nodes,
    stop,
    repetitionPenalty,
    sampling: { temperature, topK: likeliest, topP, minP },
  };
}

/** The engine that a configuration asks for. */
export function engineOptions(model: string, config: StandaloneConfig): EngineOptions {
  const { cache, threads, device, adapter, weights } = config.model;
  const { concurrency } = config.decode;
  return {
    model,
    cache: cache ?? defaultModelCache(),
    slots: concurrency === 'auto' ? undefined : concurrency,
    threads: threads ?? 0,
    device,
    adapter,
    weights,
  };
}

/** Where converted models are kept when the configuration doesn't say: a folder of the user's cache. */
export function defaultModelCache(): string {
  const { XDG_CACHE_HOME: base } = process.env;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'dare', 'models');
}
