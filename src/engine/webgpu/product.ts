import type { Kernels } from './kernels.js';
import { tilingFor } from './tiling.js';
import type { Linear } from './weights.js';

/** What is done with the results of a linear layer; EPILOGUE of kernels/epilogue.wgsl. */
const epilogues = { store: 0, add: 1, gate: 2 } as const;

export interface ProductUse {
  /** heads: the results are queries, keys and values, for attention; kernels/epilogue-heads.wgsl. */
  epilogue: keyof typeof epilogues | HeadSizes;
  /** Rows are those of the verdicts, and results are float32. */
  head?: boolean;
  /** The epsilon of the RMS norm that rows get first: they are float32 then, and its weight is in the layer's. */
  norm?: number;
}

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
  /** Sizes, rows, weights, biases, results. */
  static readonly bindings = 'urrrw';
  /** The same, and in place of results: tables, rotary table, queries, new keys and values, cache. */
  static readonly headBindings = 'urrrrrwww';

  constructor(
    private readonly kernels: Kernels,
    /** Workgroup memory for tiles of matmul-matrix, in bytes; 0 where the GPU has no such matrices. */
    private readonly memory: number,
    private readonly linear: Linear,
    private readonly use: ProductUse,
  ) {}

  /**
   * The pipeline for this many rows, and how many workgroups it takes.
   * @param moves rows of the last step that go to the cache, for results that are queries, keys and values
   */
  async plan(rows: number, moves = 0): Promise<ProductPlan> {
    const { inputs, outputs } = this.linear;
    const groups = (columns: number, side: number): ProductPlan['groups'] => {
      const across = Math.ceil(outputs / columns);
      return [across, Math.ceil(rows / side) + Math.ceil(moves / across), 1];
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
    const { epilogue, head = false, norm } = this.use;
    const { element } = this.kernels;
    const matrix = file === 'matmul-matrix';
    const packed = matrix ? 'vec4<u32>' : `vec4<${element}>`;
    const normed = norm !== undefined;
    const toHeads = typeof epilogue === 'object';
    return this.kernels.pipeline({
      files: [
        'step',
        'product',
        ...(toHeads ? ['epilogue-heads', 'cache', 'moves'] : ['epilogue']),
        ...(matrix ? [normed ? 'inputs-normed' : 'inputs'] : []),
        file,
      ],
      bindings: toHeads ? Product.headBindings : Product.bindings,
      constants: {
        K: inputs,
        N: outputs,
        BIASED: bias !== undefined,
        NORMED: normed,
        EPSILON: (norm ?? 0).toFixed(12),
        ...(toHeads ? epilogue : { EPILOGUE: epilogues[epilogue], HEAD: head }),
        ...sizes,
      },
      types: {
        X: normed ? 'vec4<f32>' : packed,
        W: packed,
        Y: head || epilogue === 'add' ? 'f32' : element,
      },
    });
  }
}
