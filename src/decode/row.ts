import type { PromptRow } from '../lake/pages.js';
import type { TextRow } from '../lake/writer.js';
import type { TextModel } from '../text/tokenizer.js';
import type { Outcome } from './sequence.js';

/** The texts-table row of a decoded prompt. */
export function textRow(
  prompt: PromptRow,
  promptTokens: number,
  outcome: Outcome,
  text: string,
  source: { poolVersion: string | null; round: number },
  textKey: string,
): TextRow {
  return {
    ...identity(prompt),
    text,
    outputTokenIds: outcome.outputIds,
    vector: outcome.vector,
    finishReason: outcome.finishReason,
    promptTokens,
    outputTokens: outcome.outputIds.length,
    emittedTokens: outcome.emittedTokens,
    decodeSteps: outcome.decodeSteps,
    draftedTokens: outcome.draftedTokens,
    acceptedTokens: outcome.acceptedTokens,
    relaxedTokens: outcome.relaxedTokens,
    relaxedPositions: outcome.relaxedPositions,
    divergence: outcome.divergence,
    nearTies: outcome.nearTies,
    ...source,
    error: null,
    textKey,
    ended: outcome.finishReason === 'stop' && outcome.stoppedText === null,
    takenOver: false,
  };
}

/** The row of a prompt that can't be decoded. */
export function errorRow(
  prompt: PromptRow,
  promptTokens: number | null,
  error: string,
  source: { poolVersion: string | null; round: number },
): TextRow {
  return {
    ...identity(prompt),
    text: null,
    outputTokenIds: null,
    vector: null,
    finishReason: null,
    promptTokens,
    outputTokens: null,
    emittedTokens: null,
    decodeSteps: null,
    draftedTokens: null,
    acceptedTokens: null,
    relaxedTokens: null,
    relaxedPositions: null,
    divergence: null,
    nearTies: null,
    ...source,
    error,
    textKey: null,
    ended: null,
    takenOver: false,
  };
}

function identity({ promptId, entityType, entityId, framework, cohort }: PromptRow) {
  return { promptId, entityType, entityId, framework, cohort };
}

/** Token ids of a prompt row: a chat as it is, a prompt as one user message. */
export function promptIds(
  tokenizer: TextModel,
  { prompt, messages }: Pick<PromptRow, 'prompt' | 'messages'>,
): Int32Array {
  return messages === null ? tokenizer.encodePrompt(prompt ?? '') : tokenizer.encodeChat(messages);
}
