import { notFinite } from './engine.js';

/** The largest of a row's logits. @throws runError when any of them is NaN or infinite */
export function largest(logits: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    // written so that NaN fails too
    if (!(logit > Number.NEGATIVE_INFINITY && logit < Number.POSITIVE_INFINITY)) throw notFinite();
    if (logit > max) max = logit;
  }
  return max;
}

/** Ids of the `count` largest logits, the largest first; of equal ones the lower id, as the model's own verdict has it. */
export function best(logits: Float32Array, count: number): number[] {
  const ids: number[] = [];
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (ids.length === count && logit <= (logits[ids[count - 1] as number] as number)) continue;
    let at = Math.min(ids.length, count - 1);
    while (at > 0 && logit > (logits[ids[at - 1] as number] as number)) {
      ids[at] = ids[at - 1] as number;
      at--;
    }
    ids[at] = token;
  }
  return ids;
}
