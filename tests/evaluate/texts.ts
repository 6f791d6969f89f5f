import type { EvaluatedText } from '../../src/evaluate/rows.js';

/** A text of three tokens in two steps; `of` replaces what it has. */
export function evaluatedText(of: Partial<EvaluatedText>): EvaluatedText {
  return {
    promptId: 'p',
    entityType: 'item',
    entityId: '1',
    framework: 'kar',
    text: 'a warm drama',
    ids: [5, 6, 7],
    vector: Float32Array.of(1, 0),
    finishReason: 'stop',
    decodeSteps: 2,
    draftedTokens: 6,
    emittedTokens: 4,
    relaxedTokens: 0,
    relaxedPositions: [],
    divergence: 0,
    logProbability: -2,
    repetitive: false,
    unparsable: null,
    ...of,
  };
}
