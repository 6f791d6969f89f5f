/**
 * What drafts are like: of some drafts the chances of their nodes, each draft's the highest first. It is learnt when pools
 * are built and stands in the shared pool. How large drafts should be on some machine follows from it before the first of
 * them is made.
 */

/** Nodes that are kept of a draft. */
export const profileNodes = 64;
/** Drafts that are kept: more hardly move what follows from them. */
export const profileDrafts = 128;
/** Chances are kept as whole numbers, -`scale` ln p: 3% apart, the least 0.0004. */
const scale = 32;
const none = 255;

/** Chances of drafts, [drafts][nodes], none higher than the one before it. */
export type DraftProfile = readonly Float64Array[];

/**
 * As it stands in a pool's metadata: base64 of a byte for each of `profileNodes` of each draft; of more drafts some,
 * evenly.
 */
export function encodeProfile(drafts: DraftProfile): string {
  const count = Math.min(drafts.length, profileDrafts);
  const bytes = new Uint8Array(count * profileNodes).fill(none);
  for (let d = 0; d < count; d++) {
    const gains = drafts[Math.floor((d * drafts.length) / count)] as Float64Array;
    for (let n = 0; n < Math.min(gains.length, profileNodes); n++)
      bytes[d * profileNodes + n] = Math.min(
        none,
        Math.max(0, Math.round(-scale * Math.log(gains[n] as number))),
      );
  }
  return Buffer.from(bytes).toString('base64');
}

/** @throws RangeError for what is no profile: another size, or chances that rise within a draft */
export function decodeProfile(encoded: string): DraftProfile {
  const bytes = Buffer.from(encoded, 'base64');
  // what is no base64 would be skipped
  if (bytes.toString('base64') !== encoded) throw new RangeError('a profile is no base64');
  const count = bytes.length / profileNodes;
  if (!Number.isInteger(count) || count < 1 || count > profileDrafts)
    throw new RangeError(
      `a profile has ${bytes.length} bytes, expected ${profileNodes} for each of 1 to ${profileDrafts} drafts`,
    );
  return Array.from({ length: count }, (_, d) => {
    const draft = bytes.subarray(d * profileNodes, (d + 1) * profileNodes);
    if (draft.some((value, n) => n > 0 && value < (draft[n - 1] as number)))
      throw new RangeError(`the chances of draft ${d} of a profile rise`);
    const nodes = draft.indexOf(none);
    return Float64Array.from(nodes < 0 ? draft : draft.subarray(0, nodes), (value) =>
      Math.exp(-value / scale),
    );
  });
}
