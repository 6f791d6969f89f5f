/** The options of the command line, of all commands together. */

/** What `parseArgs` is told. */
export const OPTIONS = {
  config: { type: 'string' },
  lake: { type: 'string' },
  partition: { type: 'string' },
  set: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  quiet: { type: 'boolean' },
  debug: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
  model: { type: 'string' },
  prompts: { type: 'string' },
  out: { type: 'string' },
  pools: { type: 'string' },
  mode: { type: 'string' },
  concurrency: { type: 'string' },
  texts: { type: 'string' },
  tokenizer: { type: 'string' },
  cache: { type: 'string' },
  weights: { type: 'string' },
  'pool-texts': { type: 'string' },
  nodes: { type: 'string' },
  sources: { type: 'string' },
  ngrams: { type: 'string' },
  'pool-sizes': { type: 'string' },
  by: { type: 'string' },
  limit: { type: 'string' },
  peers: { type: 'boolean' },
  'divergence-budget': { type: 'string' },
  costs: { type: 'string' },
  batch: { type: 'string' },
  'skip-exit-code': { type: 'string' },
  force: { type: 'boolean' },
  'accept-types': { type: 'boolean' },
  shard: { type: 'string' },
  'log-level': { type: 'string' },
  'metrics-file': { type: 'string' },
  'lineage-file': { type: 'string' },
  trace: { type: 'string' },
  'trace-prompts': { type: 'string', multiple: true },
  'trace-limit': { type: 'string' },
  keep: { type: 'string' },
  'older-than': { type: 'string' },
  'dry-run': { type: 'boolean' },
  user: { type: 'string', multiple: true },
  users: { type: 'string' },
  item: { type: 'string', multiple: true },
  'top-k': { type: 'string' },
  'min-prob': { type: 'string' },
  'min-gain': { type: 'string' },
  'max-loss': { type: 'string' },
} as const;
export type OptionName = keyof typeof OPTIONS;

export interface Options {
  config?: string;
  lake?: string;
  partition?: string;
  set?: string[];
  json?: boolean;
  quiet?: boolean;
  debug?: boolean;
  model?: string;
  prompts?: string;
  out?: string;
  pools?: string;
  mode?: string;
  concurrency?: string;
  texts?: string;
  tokenizer?: string;
  cache?: string;
  weights?: string;
  'pool-texts'?: string;
  nodes?: string;
  sources?: string;
  ngrams?: string;
  'pool-sizes'?: string;
  by?: string;
  limit?: string;
  peers?: boolean;
  'divergence-budget'?: string;
  costs?: string;
  batch?: string;
  /** Exit code of a stage that had nothing to do, in place of 0. */
  'skip-exit-code'?: string;
  force?: boolean;
  'accept-types'?: boolean;
  /** `k/n` */
  shard?: string;
  'log-level'?: string;
  'metrics-file'?: string;
  'lineage-file'?: string;
  trace?: string;
  /** Ids of prompts to trace. */
  'trace-prompts'?: string[];
  'trace-limit'?: string;
  /** Partitions that stay. */
  keep?: string;
  'older-than'?: string;
  'dry-run'?: boolean;
  user?: string[];
  /** File with one id a line. */
  users?: string;
  item?: string[];
  'top-k'?: string;
  'min-prob'?: string;
  'min-gain'?: string;
  'max-loss'?: string;
}
