/** Share of the prompts whose texts may be missing from pools that are to be like the partition's. */
const mostHeldOut = 0.2;

/**
 * Parts of a sample that are decoded one after the other, each with pools that lack its own texts: one part of a small
 * sample. Of a large one pools without all of it would hold little.
 * @param keyOf members of one key stay together
 * @param all how many there are, sample included
 */
export function foldsOf<T>(sample: readonly T[], keyOf: (member: T) => string, all: number): T[][] {
  const count = Math.max(1, Math.ceil(sample.length / all / mostHeldOut - 1e-9));
  const folds = Array.from({ length: count }, (): T[] => []);
  const places = new Map<string, number>();
  for (const member of sample) {
    const key = keyOf(member);
    const place = places.get(key) ?? places.size;
    places.set(key, place);
    folds[place % count]?.push(member);
  }
  return folds.filter((fold) => fold.length > 0);
}
