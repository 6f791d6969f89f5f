import type { Kernels } from './kernels.js';
import { tilingFor } from './tiling.js';
import type { Linear } from './weights.js';

/** What is done with the results of a linear layer; EPILOGUE of kernels/epilogue.wgsl. */
export const epilogues = { store: 0, add: 1, gate: 2 } as const;

export interface ProductUse {
  epilogue: keyof typeof epilogues;
  /** Rows are those of the verdicts, and results are float32. */
  head?: boolean;
  /** The epsilon of the RMS norm that rows get first: they are float32 then, and its weight is in the layer's. */
  norm?: number;
}

/** Up to this many rows, threads read each weight once for all of them; tiles would stay nearly empty. */
const fewRows = 16;
const tile = 64;
const columnsOfGroup = 8;

/** A linear layer in the variants for few and for many rows. */
export class Product {
  static readonly bindings = 'urrrw';

  constructor(
    private readonly kernels: Kernels,
    /** Workgroup memory for tiles of matmul-matrix, in bytes; 0 where the GPU has no such matrices. */
    private readonly memory: number,
    private readonly linear: Linear,
    private readonly use: ProductUse,
  ) {}

  /** The pipeline for this many rows, and how many workgroups it takes. */
  async plan(rows: number): Promise<{ pipeline: GPUComputePipeline; groups: [number, number, number] }> {
    const { inputs, outputs } = this.linear;
    if (rows <= fewRows) {
      const rowsOfGroup = [1, 2, 4, 8, 12, 16].find((size) => size >= rows) as number;
      return {
        pipeline: await this.pipeline('matmul-rows', { ROWS: rowsOfGroup }),
        groups: [Math.ceil(outputs / columnsOfGroup), 1, 1],
      };
    }
    const tiling = tilingFor(rows, outputs, inputs, this.memory);
    const side = tiling?.side ?? tile;
    return {
      pipeline:
        tiling === undefined
          ? await this.pipeline('matmul-tiles', {})
          : await this.pipeline('matmul-matrix', {
              TILE: side,
              WAVES_K: tiling.parts,
              DEPTH: tiling.piece / 8,
            }),
      groups: [Math.ceil(outputs / side), Math.ceil(rows / side), 1],
    };
  }

  private pipeline(file: string, sizes: Record<string, number>): Promise<GPUComputePipeline> {
    const { inputs, outputs, bias } = this.linear;
    const { epilogue, head = false, norm } = this.use;
    const { element } = this.kernels;
    const matrix = file === 'matmul-matrix';
    const packed = matrix ? 'vec4<u32>' : `vec4<${element}>`;
    const normed = norm !== undefined;
    const inputsFile = normed ? 'inputs-normed' : 'inputs';
    return this.kernels.pipeline({
      files: ['step', 'epilogue', ...(matrix ? [inputsFile] : []), file],
      bindings: Product.bindings,
      constants: {
        K: inputs,
        N: outputs,
        EPILOGUE: epilogues[epilogue],
        HEAD: head,
        BIASED: bias !== undefined,
        NORMED: normed,
        EPSILON: (norm ?? 0).toFixed(12),
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
