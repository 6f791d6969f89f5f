/** How many sequences a GPU decodes together. */
import type { DecoderShape } from '../../model/config.js';
import { noRoom, roomOf } from './buffers.js';
import type { Forward } from './forward.js';
import { type SequenceRows, stepTables } from './tables.js';

/** Larger batches gain little: at 64 sequences with drafts the GPU (H100) is busy most of a step, at 128 all of it. */
export const mostSlots = 128;
/** Columns of a sequence, at least, that a batch is tried with: longer prompts than most. */
const usualColumns = 1024;
/** Rows of a sequence in the steps that it is tried with: drafts that nobody sized keep to them. */
export const usualRows = 32;
/** Rows of a prefill step. */
export const prefillRows = 2048;
/**
 * Rows of prompts, at most, that go into one pass with a step: a pass of their own takes as long as a step does. More of them
 * would only make those wait that are being decoded.
 */
export const rowsBesideStep = 512;

/**
 * Reserves the KV cache. Without a given number of slots as many as fit, with what a usual step of them needs.
 * @param longest columns of the longest sequence, where that is known: the cache needn't grow then, which could fail in mid-run
 */
export async function reserveSlots(
  { buffers, attention }: Forward,
  { context }: DecoderShape,
  given: number | undefined,
  longest = usualColumns,
): Promise<number> {
  const columns = Math.min(context, Math.max(longest, usualColumns));
  if (given !== undefined) {
    buffers.slots = given;
    await buffers.reserve({ ...noRoom, columns });
    return given;
  }
  for (let slots = mostSlots; ; slots = Math.floor(slots / 2)) {
    buffers.slots = slots;
    const step = stepTables(usualTrees(slots, columns), [], attention);
    const rows = Math.max(step.rows + rowsBesideStep, prefillRows);
    try {
      await buffers.reserve({
        ...roomOf(step, noRoom.topK, columns),
        rows,
        parts: step.splits > 1 ? rows * step.splits : 0,
      });
      return slots;
    } catch (error) {
      if (slots === 1) throw error;
      buffers.clear();
    }
  }
}

function usualTrees(slots: number, columns: number): SequenceRows[] {
  return Array.from({ length: slots }, (_, slot) => ({
    slot,
    cached: columns,
    tokens: new Int32Array(usualRows),
    parents: Int32Array.from({ length: usualRows }, (_, row) => row - 1),
    verdicts: usualRows,
  }));
}
