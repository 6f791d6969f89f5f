/**
 * Normalised mutual information of two labellings of the same things, 0 (independent) to 1 (the same partition):
 * 2 I(A; B) / (H(A) + H(B)), the arithmetic-mean normalisation (Strehl & Ghosh 2002; Vinh, Epps & Bailey 2010, NMI_sum).
 * Two labellings of one group each count as the same: 1.
 */
export function nmi(a: readonly string[], b: readonly string[]): number {
  if (a.length !== b.length) throw new Error(`labellings of ${a.length} and ${b.length} things`);
  const joint = entropy(a.map((label, index) => JSON.stringify([label, b[index]])));
  const both = entropy(a) + entropy(b);
  return both === 0 ? 1 : (2 * (both - joint)) / both;
}

/** Shannon entropy of the labels' shares, in nats. */
function entropy(labels: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  let sum = 0;
  for (const count of counts.values()) sum -= (count / labels.length) * Math.log(count / labels.length);
  return sum;
}
