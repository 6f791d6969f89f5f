import type { Kernels } from './kernels.js';
import { tilingFor } from './tiling.js';
import type { Linear } from './weights.js';

export interface ProductUse {
  /** What becomes of the results; heads: they are queries, keys and values. kernels/epilogue-*.wgsl. */
  epilogue: Epilogue;
  /** Rows are those of the verdicts, and results are float32. */
  head?: boolean;
  /** The epsilon of the RMS norm that rows get first; its weight is in the layer's. */
  norm?: number;
  /** For heads. */
  sizes?: HeadSizes;
}

/** Sizes, rows, weights, biases; then by epilogue. */
export const productBindings = {
  /** Results. */
  store: 'urrrw',
  gate: 'urrrw',
  /** Residual, its shrunk copy. */
  add: 'urrrww',
  /** Tables, rotary table, queries, new keys and values, cache. */
  heads: 'urrrrrwww',
} as const;

export type Epilogue = keyof typeof productBindings;

/** Of an attention layer: HEADS, KV_HEADS, HEAD_SIZE. */
export type HeadSizes = Record<'HEADS' | 'KV_HEADS' | 'HEAD_SIZE', number>;

export interface ProductPlan {
  pipeline: GPUComputePipeline;
  groups: [number, number, number];
}

/** Up to this many rows, threads read each weight once for all of them; tiles would stay nearly empty. */
const fewRows = 16;
const tile = 64;
const columnsOfGroup = 8;

/** A linear layer in the variants for few and for many rows. */
export class Product {
  constructor(
    private readonly kernels: Kernels,
    /** Workgroup memory for tiles of matmul-matrix, in bytes; 0 where the GPU has no such matrices. */
    private readonly memory: number,
    private readonly linear: Linear,
    private readonly use: ProductUse,
  ) {}

  /**
   * The pipeline for this many rows, and how many workgroups it takes.
   * @param changes in the cache, for results that are queries, keys and values
   */
  async plan(rows: number, changes = 0): Promise<ProductPlan> {
    const { inputs, outputs } = this.linear;
    const groups = (columns: number, side: number): ProductPlan['groups'] => {
      const across = Math.ceil(outputs / columns);
      return [across, Math.ceil(rows / side) + Math.ceil(changes / across), 1];
    };
    if (rows <= fewRows) {
      const side = [1, 2, 4, 8, 12, 16].find((size) => size >= rows) as number;
      return {
        pipeline: await this.pipeline('matmul-rows', { ROWS: side }),
        groups: groups(columnsOfGroup, side),
      };
    }
    const tiling = tilingFor(rows, outputs, inputs, this.memory);
    if (tiling === undefined)
      return { pipeline: await this.pipeline('matmul-tiles', {}), groups: groups(tile, tile) };
    const { side, piece, parts } = tiling;
    const pipeline = await this.pipeline('matmul-matrix', { TILE: side, WAVES_K: parts, DEPTH: piece / 8 });
    return { pipeline, groups: groups(side, side) };
  }

  private pipeline(file: string, sizes: Record<string, number>): Promise<GPUComputePipeline> {
    const { inputs, outputs, bias } = this.linear;
    const { epilogue, head = false, norm, sizes: headSizes } = this.use;
    const { element } = this.kernels;
    const vector = file === 'matmul-matrix' ? 'vec4<u32>' : `vec4<${element}>`;
    return this.kernels.pipeline({
      files: [
        'step',
        'product',
        `epilogue-${epilogue}`,
        ...(epilogue === 'heads' ? ['cache', 'changes'] : ['alone']),
        file,
      ],
      bindings: productBindings[epilogue],
      constants: {
        K: inputs,
        N: outputs,
        BIASED: bias !== undefined,
        NORMED: norm !== undefined,
        EPSILON: (norm ?? 0).toFixed(12),
        HEAD: head,
        ...headSizes,
        ...sizes,
      },
      types: { X: vector, W: vector, Y: head ? 'f32' : element },
    });
  }
}
