/** What the kernels of a step compute and read, to hold against their times. */
import type { TimedWork } from '../../src/engine/webgpu/dispatch-timer.js';
import type { DecoderShape } from '../../src/model/config.js';
import type { StepSize } from './kernel-profile.js';

/** Of a whole step, all layers together. */
export interface KernelWork {
  /** A multiplication and an addition are two. */
  operations?: number;
  /** Weights, keys and values or logits, each counted once however often it is read. */
  bytes?: number;
}

type Sizes = Pick<
  DecoderShape,
  'layers' | 'hidden' | 'heads' | 'kvHeads' | 'headSize' | 'intermediate' | 'vocabulary'
>;

/** @param element bytes of a weight, key or value */
export function stepWork(
  shape: Sizes,
  element: number,
  { texts, rows, columns }: StepSize,
): Partial<Record<TimedWork['kernel'], KernelWork>> {
  const { layers, hidden, heads, kvHeads, headSize, intermediate, vocabulary } = shape;
  const all = texts * rows;
  const seen = columns + rows;
  const queries = heads * headSize;
  const product = (inputs: number, outputs: number, times: number): KernelWork => ({
    operations: 2 * all * inputs * outputs * times,
    bytes: inputs * outputs * element * times,
  });
  return {
    qkv: product(hidden, queries + 2 * kvHeads * headSize, layers),
    attention: {
      operations: 4 * all * seen * queries * layers,
      bytes: texts * seen * 2 * kvHeads * headSize * element * layers,
    },
    'attention output': product(queries, hidden, layers),
    'gate and up': product(hidden, 2 * intermediate, layers),
    down: product(intermediate, hidden, layers),
    'vocabulary head': product(hidden, vocabulary, 1),
    verdicts: { bytes: all * vocabulary * 4 },
  };
}
