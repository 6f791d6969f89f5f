/** Rows of the queries in sql/report, by the names of their files. Null: not known. */
import type { Mark } from '../../text/marks.js';

export interface Summary {
  texts: number;
  failed: number;
  output_tokens: number;
  decode_steps: number;
  tokens_per_step: number | null;
  relaxed_tokens: number;
  relaxed_share: number | null;
  /** Nats a text. */
  divergence_mean: number | null;
  users: number;
  items: number;
  user_cohorts: number;
  item_cohorts: number;
  prompts: number;
  features: number;
  seconds: number | null;
}

export interface StageRow {
  stage: string;
  rows: number | null;
  seconds: number | null;
}

export type Phase = 'load' | 'draft' | 'prompts' | 'model' | 'verify' | 'loop' | 'beside' | 'write';

export interface PhaseRow {
  phase: Phase;
  seconds: number;
}

export interface SettingRow {
  name: string;
  value: string;
}

export interface ComparisonRow {
  speedup: number;
  prompts: number;
  tokens_per_second: number;
  autoregressive_tokens_per_second: number;
}

export interface FrameworkRow {
  framework: string | null;
  entity_type: string | null;
  texts: number;
  prompt_tokens: number | null;
  output_tokens: number | null;
  tokens_per_step: number | null;
  accepted_share: number | null;
  relaxed_share: number | null;
}

export interface DepthRow {
  depth: number;
  drafted: number;
  accepted: number;
  share: number;
}

export interface MatchRow {
  match: number;
  steps: number;
  rows_per_step: number;
  accepted_per_step: number;
  share: number;
}

/** Texts that spent more than `low` and at most `high` nats; bin 0: nothing. */
export interface DivergenceBin {
  bin: number;
  low: number;
  high: number;
  texts: number;
}

export interface DivergenceFigures {
  median: number | null;
  p90: number | null;
  most: number | null;
  /** Texts that spent something. */
  texts: number;
  budget: number | null;
}

export interface CohortRow {
  entity_type: string | null;
  cohort: string | null;
  entities: number;
  texts: number;
  tokens_per_step: number | null;
  divergence_mean: number | null;
}

export interface TraitRow {
  entity_type: string;
  cohort: string;
  attribute: string;
  value: string;
  share: number;
  overall: number;
}

export interface MemberRow {
  entity_type: string;
  cohort: string;
  entity_id: string;
  label: string | null;
}

export interface RelaxedText {
  prompt_id: string;
  framework: string | null;
  cohort: string | null;
  output_tokens: number;
  relaxed_tokens: number;
  divergence: number;
  text: string;
  /** Where relaxed tokens stand in it, in UTF-16 units, in order; undefined where that isn't known. */
  marks: Mark[] | undefined;
  prompt: string | null;
}

export interface SlowText {
  prompt_id: string;
  framework: string | null;
  cohort: string | null;
  prompt_tokens: number;
  output_tokens: number;
  decode_steps: number;
  tokens_per_step: number | null;
  finish_reason: string | null;
  prompt: string | null;
}

export interface EndingRow {
  ending: string;
  texts: number;
}

export interface ErrorRow {
  error: string;
  prompts: number;
  example: string;
}

export interface WarningRow {
  stage: string;
  warning: string;
}

/** What a setting made of some texts, against those of autoregressive decoding. */
export interface EvaluatedTexts {
  setting: string;
  entity_type: string | null;
  framework: string | null;
  texts: number;
  tokens_per_step: number | null;
  same_texts: number | null;
  rouge_l: number | null;
  divergence_mean: number | null;
  divergence_max: number | null;
  perplexity: number | null;
  vector_distance: number | null;
  entity_distance: number | null;
}

/** A click model with the features of a setting, or with others; figures are null where they can't be told. */
export interface EvaluatedClicks {
  setting: string;
  auc: number | null;
  log_loss: number | null;
  auc_difference: number | null;
  auc_low: number | null;
  auc_high: number | null;
  verdict: string | null;
}

/** A prompt's autoregressive text, and the relaxed one that differs from it. */
export interface EvaluatedPair {
  prompt_id: string;
  framework: string | null;
  /** Of the relaxed text. */
  setting: string;
  autoregressive: string;
  relaxed: string;
  relaxed_tokens: number;
  divergence: number;
  /** Where relaxed tokens stand in the relaxed text. */
  marks: Mark[];
}

/** What dare evaluate found. */
export interface Evaluation {
  texts: EvaluatedTexts[];
  clicks: EvaluatedClicks[];
  /** Some texts that were changed. */
  pairs: EvaluatedPair[];
  /** Undefined without a manifest. */
  about: EvaluationAbout | undefined;
}

export interface EvaluationAbout {
  prompts: number | null;
  ratings: number | null;
  seeds: number | null;
  /** Of the configured setting. */
  statement: string | null;
  /** Whether the partition has had other texts since. */
  outdated: boolean;
}

/** All that a page shows. */
export interface PageData {
  partition: string;
  version: string;
  /** What can't be shown, and why: one sentence each. */
  missing: string[];
  summary: Summary;
  stages: StageRow[];
  phases: PhaseRow[];
  settings: SettingRow[];
  comparison: ComparisonRow | undefined;
  frameworks: FrameworkRow[];
  /** Texts that depths and matches were counted of; undefined where they weren't. */
  draftedTexts: number | undefined;
  depths: DepthRow[];
  matches: MatchRow[];
  divergence: DivergenceBin[];
  divergenceFigures: DivergenceFigures;
  /** Undefined where the partition has none. */
  evaluation: Evaluation | undefined;
  cohorts: CohortRow[];
  traits: TraitRow[];
  members: MemberRow[];
  relaxed: RelaxedText[];
  slowest: SlowText[];
  endings: EndingRow[];
  errors: ErrorRow[];
  warnings: WarningRow[];
}
