import type { SamplingRule } from '../../src/decode/sampler.js';

/** Probabilities after the rule by sorting everything, as transformers' warpers do; 0 for tokens that drop out. */
export function distribution(logits: readonly number[], rule: SamplingRule): number[] {
  let scaled = logits.map((logit) => logit / rule.temperature);
  const softmax = () => {
    const max = Math.max(...scaled);
    const weights = scaled.map((value) => Math.exp(value - max));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => weight / total);
  };
  const drop = (keep: (token: number) => boolean) => {
    scaled = scaled.map((value, token) => (keep(token) ? value : Number.NEGATIVE_INFINITY));
  };
  if (rule.topK > 0) {
    const least = [...scaled].sort((a, b) => b - a)[Math.min(rule.topK, scaled.length) - 1] as number;
    drop((token) => (scaled[token] as number) >= least);
  }
  if (rule.topP < 1) {
    const p = softmax();
    // what is likelier than a token together
    drop((token) => p.reduce((sum, q) => sum + (q > (p[token] as number) ? q : 0), 0) < rule.topP);
  }
  if (rule.minP > 0) {
    const p = softmax();
    const least = rule.minP * Math.max(...p);
    drop((token) => (p[token] as number) >= least);
  }
  return softmax();
}

/** Logits after the repetition penalty as transformers' processor has it: once for each token of the ids. */
export function penalised(logits: readonly number[], ids: readonly number[], factor: number): number[] {
  return logits.map((logit, token) => {
    if (!ids.includes(token)) return logit;
    return logit < 0 ? logit * factor : logit / factor;
  });
}

/** Pearson's chi-square of counts against expected ones; cells that expect less than 5 are one cell. */
export function chiSquare(seen: readonly number[], expected: readonly number[]) {
  let sum = 0;
  let cells = 0;
  let [restSeen, restExpected] = [0, 0];
  expected.forEach((count, cell) => {
    if (count < 5) {
      restSeen += seen[cell] as number;
      restExpected += count;
      return;
    }
    sum += ((seen[cell] as number) - count) ** 2 / count;
    cells++;
  });
  if (restExpected > 0) {
    sum += (restSeen - restExpected) ** 2 / restExpected;
    cells++;
  }
  return { sum, limit: limit(cells - 1) };
}

/** What chi-square exceeds once in a thousand times: Wilson & Hilferty 1931. */
function limit(degrees: number): number {
  const spread = 2 / (9 * degrees);
  return degrees * (1 - spread + 3.0902 * Math.sqrt(spread)) ** 3;
}
