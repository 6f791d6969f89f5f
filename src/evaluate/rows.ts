/** What the texts of one setting are like beside those of autoregressive decoding: the rows of the table `evaluation`. */
import type { Mode } from '../config/schema.js';
import type { FinishReason } from '../lake/text-table.js';
import { distinct, rougeL, samePlaces, wordsOf } from './text-measures.js';
import { distance, meanPairDistance } from './vectors.js';

/** How texts were decoded. */
export interface Setting {
  /** A name for people: the mode, and for relaxed what its bounds are. */
  name: string;
  mode: Exclude<Mode, 'sample'>;
  /** Bounds of mode relaxed; null in the others. */
  topK: number | null;
  minProb: number | null;
  divergenceBudget: number | null;
  minGain: number | null;
  /** Draft nodes a step at most; null without drafts. */
  nodes: number | 'auto' | null;
}

/** One text of a setting. */
export interface EvaluatedText {
  promptId: string;
  entityType: string | null;
  entityId: string | null;
  framework: string | null;
  text: string;
  ids: ArrayLike<number>;
  vector: Float32Array | null;
  finishReason: FinishReason;
  decodeSteps: number;
  draftedTokens: number;
  emittedTokens: number;
  relaxedTokens: number;
  /** Places of relaxed tokens among the ids, from 0; an end token has none. */
  relaxedPositions: ArrayLike<number>;
  /** Nats. */
  divergence: number;
  logProbability: number | null;
  /** What publish says of it; null for other frameworks than rlmrec. */
  repetitive: boolean;
  unparsable: boolean | null;
}

/** Texts of one entity type and framework; null: of all. */
export interface TextGroup {
  entityType: string | null;
  framework: string | null;
}

/** A row of the table: one setting, and one group of texts. */
export interface EvaluationRow extends TextGroup, TextMeasures {
  setting: string;
  mode: string;
  topK: number | null;
  minProb: number | null;
  /** The bound of `divergenceMax`: nats a text. */
  divergenceBudget: number | null;
  minGain: number | null;
  /** null: without drafts, or as many as pay. */
  nodes: number | null;
}

/** What some texts are like. Shares and means are over the texts, where nothing else is said. */
export interface TextMeasures {
  texts: number;
  /** Against the texts of mode autoregressive. */
  sameTexts: number;
  sameTokens: number;
  rougeL: number;
  distinct1: number | null;
  distinct2: number | null;
  repetitive: number;
  jsonValid: number | null;
  ended: number;
  cutByLength: number;
  cutByContext: number;
  outputTokens: number;
  relaxedTokens: number;
  /** Nats a text. */
  divergenceMean: number;
  divergenceMax: number;
  /** Nats a token that steps emitted. */
  divergencePerToken: number;
  /** Mean ln p of a token, in nats, and e to the power of what it lacks. */
  logProbability: number | null;
  perplexity: number | null;
  tokensPerStep: number;
  /** Rows of a text in a step: its drafts and one more. */
  rowsPerStep: number;
  /** Mean 1 - cosine to the vector of the autoregressive text; between autoregressive texts of different entities. */
  vectorDistance: number | null;
  entityDistance: number | null;
}

/** The kinds of texts, in order. */
export function groupsOf(texts: readonly EvaluatedText[]): TextGroup[] {
  const names = new Map<string, TextGroup>();
  for (const { entityType, framework } of texts)
    names.set(JSON.stringify([entityType, framework]), { entityType, framework });
  return [...names].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/**
 * One row for each kind of texts.
 * @param texts at least one
 * @param references texts of mode autoregressive for the same prompts, in the same order
 */
export function evaluationRows(
  setting: Setting,
  texts: readonly EvaluatedText[],
  references: readonly EvaluatedText[],
): EvaluationRow[] {
  return groupsOf(texts).map((group) => {
    const isIn = ({ entityType, framework }: EvaluatedText) =>
      entityType === group.entityType && framework === group.framework;
    return {
      ...named(setting),
      ...group,
      ...measureTexts(
        texts.filter(isIn),
        references.filter((_, i) => isIn(texts[i] as EvaluatedText)),
      ),
    };
  });
}

/** What texts of any kinds are like together. @param references of the same prompts, in the same order */
export function measureTexts(
  texts: readonly EvaluatedText[],
  references: readonly EvaluatedText[],
): TextMeasures {
  return measure(texts.map((text, i) => ({ text, reference: references[i] as EvaluatedText })));
}

interface Pair {
  text: EvaluatedText;
  reference: EvaluatedText;
}

function named({ name, nodes, ...rules }: Setting) {
  return { setting: name, ...rules, nodes: nodes === 'auto' ? null : nodes };
}

function measure(pairs: readonly Pair[]): TextMeasures {
  const texts = pairs.map(({ text }) => text);
  const words = texts.map(({ text }) => wordsOf(text));
  const sum = (of: (text: EvaluatedText) => number) => texts.reduce((total, text) => total + of(text), 0);
  const mean = (of: (text: EvaluatedText) => number) => sum(of) / texts.length;
  const share = (is: (text: EvaluatedText) => boolean) => mean((text) => (is(text) ? 1 : 0));
  const places = pairs.map(({ text, reference }) => samePlaces(text.ids, reference.ids));
  const alike = places.reduce((total, { same }) => total + same, 0);
  const all = places.reduce((total, one) => total + one.places, 0);
  const emitted = sum(({ emittedTokens }) => emittedTokens);
  const steps = sum(({ decodeSteps }) => decodeSteps);
  const known = texts.every(({ logProbability }) => logProbability !== null);
  const logProbability = known ? sum((text) => text.logProbability ?? 0) / emitted : null;
  const parsed = texts.filter(({ unparsable }) => unparsable !== null);
  return {
    texts: texts.length,
    sameTexts: pairs.filter(({ text, reference }) => text.text === reference.text).length / pairs.length,
    sameTokens: all === 0 ? 1 : alike / all,
    rougeL:
      pairs.reduce((total, pair, i) => total + rougeL(wordsOf(pair.reference.text), words[i] ?? []), 0) /
      pairs.length,
    distinct1: distinct(words, 1),
    distinct2: distinct(words, 2),
    repetitive: share(({ repetitive }) => repetitive),
    jsonValid:
      parsed.length === 0
        ? null
        : parsed.filter(({ unparsable }) => unparsable === false).length / parsed.length,
    ended: share(({ finishReason }) => finishReason === 'stop'),
    cutByLength: share(({ finishReason }) => finishReason === 'length'),
    cutByContext: share(({ finishReason }) => finishReason === 'context'),
    outputTokens: mean(({ ids }) => ids.length),
    relaxedTokens: mean(({ relaxedTokens }) => relaxedTokens),
    divergenceMean: mean(({ divergence }) => divergence),
    divergenceMax: Math.max(...texts.map(({ divergence }) => divergence)),
    divergencePerToken: sum(({ divergence }) => divergence) / emitted,
    logProbability,
    perplexity: logProbability === null ? null : Math.exp(-logProbability),
    tokensPerStep: emitted / steps,
    rowsPerStep: 1 + sum(({ draftedTokens }) => draftedTokens) / steps,
    ...vectorMeasures(pairs),
  };
}

function vectorMeasures(pairs: readonly Pair[]): Pick<EvaluationRow, 'vectorDistance' | 'entityDistance'> {
  const distances = pairs.flatMap(({ text, reference }) =>
    text.vector === null || reference.vector === null ? [] : [distance(text.vector, reference.vector)],
  );
  const references = pairs.flatMap(({ reference: { vector } }) => (vector === null ? [] : [vector]));
  return {
    vectorDistance:
      distances.length === 0 ? null : distances.reduce((total, one) => total + one, 0) / distances.length,
    entityDistance: meanPairDistance(references),
  };
}
