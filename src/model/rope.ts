/**
 * Rotary position embeddings: RoFormer, arXiv 2104.09864, eq. 34, with the scalings of long contexts. The formulas of
 * the scalings are those of Hugging Face transformers, modeling_rope_utils.py.
 */

export type RopeScaling =
  /** Positions divided by `factor`. */
  | { type: 'linear'; factor: number }
  /** Each frequency divided by its own factor, [headSize / 2]: Llama 3's scaling as GGUF files store it. */
  | { type: 'factors'; factors: readonly number[] }
  /** Llama 3: slow rotations divided by `factor`, fast ones kept, those between interpolated. */
  | {
      type: 'llama3';
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      /** Positions before the scaling. */
      originalContext: number;
    };

export interface Rope {
  headSize: number;
  ropeBase: number;
  ropeScaling?: RopeScaling;
}

/** Angle per position of each pair of elements, [headSize / 2], in radians. */
export function ropeFrequencies({ headSize, ropeBase, ropeScaling }: Rope): Float64Array {
  const frequencies = Float64Array.from(
    { length: headSize / 2 },
    (_, i) => 1 / ropeBase ** ((2 * i) / headSize),
  );
  if (ropeScaling === undefined) return frequencies;
  if (ropeScaling.type === 'linear') return frequencies.map((frequency) => frequency / ropeScaling.factor);
  if (ropeScaling.type === 'factors') {
    const { factors } = ropeScaling;
    return frequencies.map((frequency, i) => frequency / (factors[i] as number));
  }
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = ropeScaling;
  return frequencies.map((frequency) => {
    const turns = (originalContext * frequency) / (2 * Math.PI);
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const smooth = (turns - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
  });
}

/** cos or sin of the angles of `count` positions from `from` on, [count, headSize / 2]. */
export function ropeTable(
  of: (angle: number) => number,
  frequencies: Float64Array,
  from: number,
  count: number,
): Float32Array {
  const half = frequencies.length;
  return Float32Array.from({ length: count * half }, (_, at) =>
    of((from + Math.floor(at / half)) * (frequencies[at % half] as number)),
  );
}
