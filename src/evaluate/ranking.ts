/** How well predicted chances tell what was liked from what wasn't. */

/**
 * AUC: the chance that something liked is ranked above something not liked; ties count half. By sums of ranks (Mann and
 * Whitney 1947). NaN where nothing, or everything, was liked.
 * @param order places by ascending chance, of `orderOf`
 * @param weights how often each counts; once if left out
 */
export function auc(
  chances: Float64Array,
  liked: Uint8Array,
  order: Int32Array = orderOf(chances),
  weights?: Float64Array,
): number {
  let below = 0;
  let pairs = 0;
  let [yes, no] = [0, 0];
  for (let i = 0; i < order.length; ) {
    const chance = chances[order[i] as number];
    let [tiedYes, tiedNo] = [0, 0];
    for (; i < order.length && chances[order[i] as number] === chance; i++) {
      const at = order[i] as number;
      const weight = weights === undefined ? 1 : (weights[at] as number);
      if (liked[at] === 1) tiedYes += weight;
      else tiedNo += weight;
    }
    pairs += tiedYes * (below + tiedNo / 2);
    below += tiedNo;
    yes += tiedYes;
    no += tiedNo;
  }
  return pairs / (yes * no);
}

/** Places by ascending chance. */
export function orderOf(chances: Float64Array): Int32Array {
  return Int32Array.from(chances, (_, i) => i).sort(
    (a, b) => (chances[a] as number) - (chances[b] as number),
  );
}

/** Mean of -ln of the chance that was given to what happened. */
export function logLoss(chances: Float64Array, liked: Uint8Array): number {
  let sum = 0;
  liked.forEach((is, i) => {
    const chance = Math.min(1 - 1e-12, Math.max(1e-12, chances[i] as number));
    sum -= Math.log(is === 1 ? chance : 1 - chance);
  });
  return sum / liked.length;
}
