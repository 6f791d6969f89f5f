/** Which models the kernels compute. */
import type { DecoderShape } from '../../model/config.js';
import { openModel } from '../../model/source.js';

/** Queries of a key/value head that the attention kernels take at once. */
const mostGroup = 32;
/** Linear layers read their inputs in pieces of this many. */
const sizeStep = 16;

/** Why the model can't run on a GPU though it is supported, or undefined. Throws as `openModel` does. */
export function unsupportedOnGpu(model: string, cache: string): string | undefined {
  const source = openModel(model, cache);
  source.close();
  return refusalOf(source.shape);
}

/** The same of a model that is open. */
export function refusalOf(shape: DecoderShape): string | undefined {
  const { gemma, hidden, intermediate, headSize, heads, kvHeads } = shape;
  if (gemma !== undefined) return 'the kernels have no Gemma layers';
  if ([hidden, intermediate, headSize].some((size) => size % sizeStep !== 0))
    return `its sizes are no multiples of ${sizeStep}`;
  if (heads / kvHeads > mostGroup) return `more than ${mostGroup} query heads share keys and values`;
  return undefined;
}
