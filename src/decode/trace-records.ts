/** The lines of a trace, as JSON: one of the run, then of each prompt one, its steps, and its text. */
import { z } from 'zod';
import { nodeVerdicts } from './trace.js';

const token = z.int().nonnegative();
const count = z.int().nonnegative();
/** A token as text: what it adds behind the one before; empty for control tokens. */
const piece = z.string();
const share = z.number().min(0).max(1.001);

export const runRecord = z.object({
  type: z.literal('run'),
  version: z.literal(2),
  model: z.string(),
  mode: z.enum(['autoregressive', 'greedy', 'relaxed', 'sample']),
  top_k: count,
  min_prob: z.number(),
  /** Nats. */
  divergence_budget: z.number(),
  /** Tokens that a relaxed one must bring at a text's beginning. */
  min_gain: z.number(),
  end_tokens: z.array(token),
});

export const promptRecord = z.object({
  type: z.literal('prompt'),
  prompt_id: z.string(),
  entity_type: z.string().nullable(),
  entity_id: z.string().nullable(),
  framework: z.string().nullable(),
  cohort: z.string().nullable(),
  prompt_tokens: count,
  pool_version: z.string().nullable(),
  round: count,
});

export const nodeRecord = z.object({
  token,
  text: piece,
  /** Row that it follows: 0 is the end of the text, n the n-th node. */
  parent: count,
  /** Estimated before the step: that the path to here is accepted. */
  chance: share,
  /** Tokens before it that each source knew. */
  matched: z.object({ cohort: count, shared: count, own: count }),
  probability: share,
  /** 0: the model's first choice; null: below the tokens that a step shows. */
  rank: count.nullable(),
  /** Below the first choice, in nats of log-probability; null: infinitely. */
  gap: z.number().nonnegative().nullable(),
  verdict: z.enum(nodeVerdicts),
});

export const stepRecord = z.object({
  type: z.literal('step'),
  prompt_id: z.string(),
  /** From 1. */
  step: z.int().positive(),
  last: token,
  last_text: piece,
  /** Nats that the text had cost before. */
  spent: z.number().nonnegative(),
  nodes: z.array(nodeRecord),
  next: z.object({ token, text: piece, probability: share.nullable(), emitted: z.boolean() }).nullable(),
});

export const textRecord = z.object({
  type: z.literal('text'),
  prompt_id: z.string(),
  text: z.string(),
  output_token_ids: z.array(token),
  finish_reason: z.enum(['stop', 'length', 'context']),
  decode_steps: count,
  drafted_tokens: count,
  accepted_tokens: count,
  relaxed_tokens: count,
  divergence: z.number().nonnegative(),
});

export const traceRecord = z.discriminatedUnion('type', [runRecord, promptRecord, stepRecord, textRecord]);

export type RunRecord = z.infer<typeof runRecord>;
export type PromptRecord = z.infer<typeof promptRecord>;
export type NodeRecord = z.infer<typeof nodeRecord>;
export type StepRecord = z.infer<typeof stepRecord>;
export type TextRecord = z.infer<typeof textRecord>;
export type TraceRecord = z.infer<typeof traceRecord>;
