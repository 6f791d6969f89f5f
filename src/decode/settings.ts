import { homedir } from 'node:os';
import { join } from 'node:path';
import type { DecodeConfig, StandaloneConfig } from '../config/schema.js';
import type { EngineOptions } from '../engine/open.js';
import type { DecodeSettings } from './sequence.js';

/**
 * A draft node that is less likely than this to be reached costs more than it brings: on two cores a row adds about
 * a seventh of a one-row step, and a step brings about six tokens. Of 0.15 to 0.35 this was the fastest for one text
 * and nearly so for 16.
 */
export const minPathProbability = 0.25;

/** Decoding rules of a configuration. */
export function decodeSettings(config: DecodeConfig): DecodeSettings {
  const { mode, maxNewTokens, topK, minProb, divergenceBudget, nodes, stop, repetitionPenalty } = config;
  const { temperature, topK: likeliest, topP, minP } = config.sampling;
  return {
    mode,
    maxNewTokens,
    topK,
    minProb,
    divergenceBudget,
    nodes,
    minPathProbability,
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
