import pLimit from 'p-limit';
import type { PromptRow } from '../lake/pages.js';
import { poolKey } from '../pool/builder.js';
import type { TextModel } from '../text/tokenizer.js';
import type { DecodeWorker } from './client.js';
import { streamKey } from './random.js';
import { promptIds } from './row.js';
import type { Outcome } from './sequence.js';
import type { LoopStatistics } from './statistics.js';

/** Prompts that were decoded without being written anywhere. */
export interface Trial {
  /** In the order of the prompts. */
  outcomes: Outcome[];
  /** Milliseconds from the first prompt's tokenisation to the last text. */
  wall: number;
  statistics: LoopStatistics;
}

/**
 * Decodes prompts as the decode stage would, with the settings and pools that the worker uses; nothing may be in flight.
 * @param prompts all of them fit the model's context
 * @param finished called after each text
 */
export async function decodeTrial(
  worker: DecodeWorker,
  tokenizer: TextModel,
  prompts: readonly PromptRow[],
  finished: () => void = () => undefined,
): Promise<Trial> {
  // a prompt is waiting whenever a slot becomes free
  const limit = pLimit(worker.slots * 2);
  const started = performance.now();
  const outcomes = await limit.map(prompts, async (prompt) => {
    const request = { promptIds: promptIds(tokenizer, prompt), stream: streamKey(0, prompt.promptId) };
    const outcome = await worker.decode(request, poolKey(prompt.entityType, prompt.cohort));
    finished();
    return outcome;
  });
  const wall = performance.now() - started;
  return { outcomes, wall, statistics: await worker.statistics() };
}
