/** Pipelines of all kernels but the linear layers': one of each, whatever the rows of a step. */
import { inputError } from '../../errors.js';
import type { DecoderShape } from '../../model/config.js';
import type { GpuDevice } from './device.js';
import type { Constants, Kernels } from './kernels.js';
import type { HeadSizes } from './product.js';

/** Queries and columns that an attention workgroup holds. */
export interface AttentionTile {
  kernel: 'attention' | 'attention-matrix';
  queries: number;
  /** In rising order, where there is a choice. */
  columns: readonly number[];
}

export type FixedPipelines = Record<'embed' | 'finalNorm' | 'join' | 'verdict', GPUComputePipeline> & {
  /** Where queries and keys have norms. */
  heads: GPUComputePipeline | undefined;
  /** For each of the tile's columns. */
  attention: readonly GPUComputePipeline[];
};

export async function fixedPipelines(
  kernels: Kernels,
  shape: DecoderShape,
  tile: AttentionTile,
): Promise<FixedPipelines> {
  const { hidden, heads, headSize, normEpsilon, vocabulary, qkNorm } = shape;
  const sizes = headSizes(shape);
  const epsilon = normEpsilon.toFixed(12);
  const make = (file: string, bindings: string, constants: Constants) =>
    kernels.pipeline({ files: ['step', file], bindings, constants });
  const makeOfCache = (files: string[], bindings: string, constants: Constants) =>
    kernels.pipeline({ files: ['step', 'cache', ...files], bindings, constants: { ...sizes, ...constants } });
  const scale = (headSize ** -0.5).toFixed(12);
  const attention = tile.columns.map((columns) =>
    makeOfCache([tile.kernel], 'urrrrww', { SCALE: scale, QUERIES: tile.queries, COLUMNS: columns }),
  );
  const [embed, finalNorm, headsPipeline, join, verdict, ...attentions] = await Promise.all([
    make('embed', 'urrww', { HIDDEN: hidden }),
    make('final-norm', 'urrrww', { HIDDEN: hidden, EPSILON: epsilon }),
    qkNorm ? makeOfCache(['changes', 'heads'], 'urrrrwww', { EPSILON: epsilon }) : undefined,
    make('attention-join', 'urw', { HEADS: heads, HEAD_SIZE: headSize }),
    make('verdict', 'urrw', { VOCABULARY: vocabulary }),
    ...attention,
  ]);
  return { embed, finalNorm, heads: headsPipeline, attention: attentions, join, verdict };
}

export function headSizes({ heads, kvHeads, headSize }: DecoderShape): HeadSizes {
  return { HEADS: heads, KV_HEADS: kvHeads, HEAD_SIZE: headSize };
}

/** Queries of a matrix of 16 x 16. */
const matrixQueries = 16;

/**
 * The largest tile whose queries, keys, values and scores fit in a workgroup's memory.
 * Throws inputError when a GPU's memory is too small for one that holds the queries of a key/value head.
 */
export function attentionTile(gpu: GpuDevice, { headSize, heads, kvHeads }: DecoderShape): AttentionTile {
  const group = heads / kvHeads;
  // the smallest tile is the fastest, though most sequences take two: the less memory a workgroup needs, the more of them
  // share a core (H200, 64 sequences of 6 rows and 700 columns: 16 x 128 34 us, 32 x 128 38)
  if (gpu.matrices && headSize <= 128 && group <= matrixQueries)
    return { kernel: 'attention-matrix', queries: matrixQueries, columns: [64, 128] };
  const bytes = gpu.half ? 2 : 4;
  const memory = gpu.device.limits.maxComputeWorkgroupStorageSize;
  for (const size of [32, 16, 8]) {
    const row = (headSize + 4) * bytes;
    if (size >= group && 3 * size * row + size * (size + 1) * 4 <= memory)
      return { kernel: 'attention', queries: size, columns: [size] };
  }
  throw inputError(
    `The GPU ${gpu.name} has ${memory} bytes of memory a workgroup: too few for ${group} query heads of ${headSize}`,
    'Set model.device to cpu.',
  );
}
