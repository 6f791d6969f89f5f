/**
 * Isotonic regression: the values that never fall and are nearest to the given ones by weighted squares, found by pooling
 * adjacent violators (Barlow et al. 1972).
 * @param weights above 0, one a value
 */
export function isotonic(values: readonly number[], weights: readonly number[]): number[] {
  const blocks: { mean: number; weight: number; size: number }[] = [];
  for (const [i, value] of values.entries()) {
    let block = { mean: value, weight: weights[i] as number, size: 1 };
    for (
      let before = blocks.at(-1);
      before !== undefined && before.mean >= block.mean;
      before = blocks.at(-1)
    ) {
      const weight = before.weight + block.weight;
      const mean = (before.mean * before.weight + block.mean * block.weight) / weight;
      block = { mean, weight, size: before.size + block.size };
      blocks.pop();
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ mean, size }) => new Array<number>(size).fill(mean));
}
