import { calibrate } from '../draft/calibrate.js';
import { Drafter } from '../draft/drafter.js';
import { type CostTable, textMilliseconds } from '../engine/cost-table.js';
import { PoolBuilder, poolSettings } from '../pool/builder.js';
import type { TextModel } from '../text/tokenizer.js';
import { type PoolDocument, sampleOf } from './documents.js';
import { type Peer, Peers, pooledPeers } from './peers/peers.js';
import { PromptLookup } from './peers/prompt-lookup.js';
import { type ReplayCounts, type ReplayDrafter, type ReplayText, replay } from './replay.js';
import { openPools, type Source, SourceDrafter, sources } from './sources.js';
import { WeighedDrafter } from './weighed.js';

/** What results are told apart by, beside source and budget. */
export const groupings = ['entity', 'framework', 'cohort'] as const;
export type Grouping = (typeof groupings)[number];

export interface SimulationPlan {
  sources: readonly Source[];
  /** Draft nodes of a step. */
  nodes: readonly number[];
  /** Longest n-grams of the pools, in tokens. */
  lengths: readonly number[];
  /** How many of the pool texts pools are made of. */
  poolSizes: readonly number[];
  by: readonly Grouping[];
  /** Whether other methods are replayed too. */
  peers: boolean;
  /** Nats that a text may give away, for texts with second-best tokens. */
  divergenceBudget: number;
  /** Tokens that a second-best one must bring at a text's beginning. */
  minGain: number;
  /** What steps of so many texts cost. */
  costs?: { table: CostTable; batch: number };
  /** Whether drafts are as large as pays by `costs`, as decoding makes them: `nodes` are the most then. Of source `mixed`. */
  weighed?: boolean;
  /** Tokens that a text may have; no limit if left out. */
  maxNewTokens?: number;
}

/** One line of the result. */
export interface SimulationRow {
  source: Source | Peer;
  mode: 'greedy' | 'relaxed';
  entity: string | null;
  framework: string | null;
  cohort: string | null;
  nodes: number;
  /** Longest n-gram; null where there are no pools, or none of ours. */
  ngram: number | null;
  /** Texts that the pools were made of; null where there are none. */
  poolTexts: number | null;
  texts: number;
  tokens: number;
  steps: number;
  tokensPerStep: number | null;
  draftedTokens: number;
  acceptedTokens: number;
  relaxedTokens: number;
  /** Nats. */
  divergence: number;
  draftMicrosPerToken: number | null;
  /** 99th percentile of one draft. */
  draftMicros99: number | null;
  /** Of taking in a prompt, a mean. */
  promptMicros: number | null;
  /** With a cost table: milliseconds of a token of one text, and plain decoding's divided by it. */
  millisecondsPerToken: number | null;
  speedup: number | null;
}

/** Something that drafts, and what its results are filed under. */
interface Contender {
  source: Source | Peer;
  ngram: number | null;
  poolTexts: number | null;
  drafter: ReplayDrafter;
}

/** Texts that are replayed unmeasured first, so that what is timed is compiled. */
const warmUp = 16;

/**
 * Replays texts with every source, budget, length and size of pools, one group of texts after the other.
 * @param documents texts of the pools, in the order in which pools are built
 */
export function* simulate(
  texts: readonly ReplayText[],
  documents: readonly PoolDocument[],
  tokenizer: TextModel,
  plan: SimulationPlan,
): Generator<SimulationRow> {
  const groups = groupsOf(texts, plan.by);
  const relaxed = texts.some(({ second }) => second !== undefined);
  const budgets = relaxed ? [0, plan.divergenceBudget] : [0];
  for (const { drafter, ...labels } of contenders(documents, tokenizer, plan)) {
    replay(texts.slice(0, warmUp), drafter, { nodes: plan.nodes[0] as number });
    for (const divergenceBudget of budgets) {
      for (const nodes of plan.nodes) {
        for (const { key, members } of groups) {
          const rule = { nodes, divergenceBudget, minGain: plan.minGain };
          const { maxNewTokens } = plan;
          const counts = replay(
            members,
            drafter,
            maxNewTokens === undefined ? rule : { ...rule, maxNewTokens },
          );
          const mode = divergenceBudget > 0 ? 'relaxed' : 'greedy';
          yield { ...labels, mode, ...key, nodes, ...figures(counts), ...predict(counts, plan.costs) };
        }
      }
    }
  }
}

/** How many lines `simulate` gives. */
export function linesOf(texts: readonly ReplayText[], plan: SimulationPlan): number {
  const pooled = plan.sources.filter(usesPools).length;
  const perSize = pooled * plan.lengths.length + (plan.peers ? pooledPeers.length : 0);
  const others = plan.sources.length - pooled + (plan.peers ? 1 : 0);
  const drafters = others + perSize * plan.poolSizes.length;
  const modes = texts.some(({ second }) => second !== undefined) ? 2 : 1;
  return drafters * modes * plan.nodes.length * groupsOf(texts, plan.by).length;
}

function usesPools(source: Source): boolean {
  return source !== 'none' && source !== 'prompt';
}

function* contenders(
  documents: readonly PoolDocument[],
  tokenizer: TextModel,
  plan: SimulationPlan,
): Generator<Contender> {
  const drafter = new Drafter(tokenizer.vocabularySize, tokenizer.endTokens);
  for (const source of sources) {
    if (!plan.sources.includes(source) || usesPools(source)) continue;
    yield { source, ngram: null, poolTexts: null, drafter: new SourceDrafter(drafter, new Map(), source) };
  }
  if (plan.peers) {
    const drafter = new PromptLookup();
    yield { source: 'prompt-lookup', ngram: null, poolTexts: null, drafter };
  }
  for (const size of plan.poolSizes) {
    const sample = sampleOf(documents, size);
    for (const ngram of plan.lengths) {
      const builder = new PoolBuilder(poolSettings(tokenizer, ngram), calibrate);
      for (const { entityType, cohort, ids } of sample) builder.add(entityType, cohort, ids, true);
      const pools = openPools(builder.build());
      for (const source of sources) {
        if (!plan.sources.includes(source) || !usesPools(source)) continue;
        const made =
          source === 'mixed' && plan.weighed === true && plan.costs !== undefined
            ? new WeighedDrafter(drafter, pools, plan.costs, Math.max(...plan.nodes))
            : new SourceDrafter(drafter, pools, source);
        yield { source, ngram, poolTexts: sample.length, drafter: made };
      }
    }
    if (!plan.peers) continue;
    const others = new Peers(sample.map((document) => whole(document, tokenizer)));
    for (const source of pooledPeers)
      yield { source, ngram: null, poolTexts: sample.length, drafter: others.drafter(source) };
  }
}

/** With what the chat template puts before an answer and the token that ends it, as in the pools. */
function whole({ entityType, cohort, ids }: PoolDocument, tokenizer: TextModel) {
  const { generationPrompt, answerEnd: end } = tokenizer;
  return {
    entityType,
    cohort,
    ids: Int32Array.from([...generationPrompt, ...ids, ...(end === undefined ? [] : [end])]),
  };
}

type GroupKey = Pick<SimulationRow, Grouping>;

function groupsOf(
  texts: readonly ReplayText[],
  by: readonly Grouping[],
): { key: GroupKey; members: ReplayText[] }[] {
  const groups = new Map<string, { key: GroupKey; members: ReplayText[] }>();
  for (const text of texts) {
    const key = {
      entity: by.includes('entity') ? text.entityType : null,
      framework: by.includes('framework') ? text.framework : null,
      cohort: by.includes('cohort') ? text.cohort : null,
    };
    const name = JSON.stringify(key);
    const group = groups.get(name) ?? { key, members: [] };
    group.members.push(text);
    groups.set(name, group);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

function figures(counts: ReplayCounts) {
  const { texts, tokens, steps, tokensPerStep, draftMicrosPerToken } = counts;
  return {
    texts,
    tokens,
    steps,
    tokensPerStep,
    draftedTokens: counts.drafted,
    acceptedTokens: counts.accepted,
    relaxedTokens: counts.relaxed,
    divergence: counts.divergence,
    draftMicrosPerToken,
    draftMicros99: counts.draftQuantile(0.99),
    promptMicros: texts === 0 ? null : (1000 * counts.promptTime) / texts,
  };
}

/**
 * Time of a token from the measured cost of steps: every step costs one text its share of a batch, and what the host takes for
 * its rows and its draft. That is the table's, too: the machine that replays isn't the one that will decode. Prompts are left out.
 */
export function predict(
  counts: ReplayCounts,
  costs: SimulationPlan['costs'],
): Pick<SimulationRow, 'millisecondsPerToken' | 'speedup'> {
  if (costs === undefined || counts.tokens === 0) return { millisecondsPerToken: null, speedup: null };
  const { table, batch } = costs;
  let time = 0;
  counts.stepsByRows.forEach((steps, rows) => {
    time += steps * textMilliseconds(table, batch, rows);
  });
  const millisecondsPerToken = time / counts.tokens;
  return {
    millisecondsPerToken,
    speedup: textMilliseconds(table, batch, 1) / millisecondsPerToken,
  };
}
