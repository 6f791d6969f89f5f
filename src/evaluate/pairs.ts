/** Texts that relaxing changed, beside the autoregressive texts of the same prompts. */
import type { Mark } from '../text/marks.js';
import type { EvaluatedText, Setting } from './rows.js';

/** A prompt's two texts, as the manifest of an evaluation keeps them (`pairs`). */
export interface TextPair {
  promptId: string;
  entityType: string | null;
  entityId: string | null;
  framework: string | null;
  /** Name of the relaxed setting. */
  setting: string;
  /** The text of mode autoregressive, and the relaxed one. */
  autoregressive: string;
  relaxed: string;
  /** Accepted tokens that weren't the first choice, an end token among them. */
  relaxedTokens: number;
  /** Where they stand among the output tokens, from 0; an end token stands nowhere. */
  relaxedPositions: number[];
  /** And in the relaxed text: ranges of UTF-16 code units. */
  marks: Mark[];
  /** Nats that the text spent. */
  divergence: number;
}

/** Pairs that an evaluation keeps. */
export const keptPairs = 5;

/**
 * Some of the texts that differ from their reference: at even distances from the one that spent the most to the one that
 * spent the least, so that they show what is usual and not the worst alone.
 * @param references of mode autoregressive for the same prompts, in the same order
 * @param most pairs at most
 * @param marksOf where a text's relaxed tokens stand in it
 */
export function changedPairs(
  { name }: Setting,
  texts: readonly EvaluatedText[],
  references: readonly EvaluatedText[],
  marksOf: (text: EvaluatedText) => Mark[],
  most = keptPairs,
): TextPair[] {
  const changed = texts.flatMap((text, i) => {
    const reference = references[i] as EvaluatedText;
    return text.text === reference.text ? [] : [{ text, reference }];
  });
  changed.sort(
    (a, b) => b.text.divergence - a.text.divergence || (a.text.promptId < b.text.promptId ? -1 : 1),
  );
  const count = Math.min(most, changed.length);
  return Array.from({ length: count }, (_, place) => {
    const at = count === 1 ? 0 : Math.round((place * (changed.length - 1)) / (count - 1));
    const { text, reference } = changed[at] as (typeof changed)[number];
    const { promptId, entityType, entityId, framework, relaxedTokens, divergence } = text;
    return {
      ...{ promptId, entityType, entityId, framework, setting: name },
      ...{ autoregressive: reference.text, relaxed: text.text, relaxedTokens, divergence },
      relaxedPositions: Array.from(text.relaxedPositions),
      marks: marksOf(text),
    };
  });
}
