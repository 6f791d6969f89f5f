import type { Kernels } from './kernels.js';
import type { Linear } from './weights.js';

/** What is done with the results of a linear layer; EPILOGUE of kernels/epilogue.wgsl. */
export const epilogues = { store: 0, add: 1, gate: 2 } as const;

export interface ProductUse {
  epilogue: keyof typeof epilogues;
  /** Rows are those of the verdicts, and results are float32. */
  head: boolean;
}

/** Up to this many rows, threads read each weight once for all of them; tiles would stay nearly empty. */
const fewRows = 16;
const tile = 64;
const columnsOfGroup = 8;
/** From so many tiles on the staged kernel is the fastest (H100: a fifth to a third less time than the other). */
const enoughTiles = 100;

/** Products of fewer tiles divide their depth among a workgroup's subgroups, each with 2 x 2 matrices of 16 x 16 results. */
const dividedDepth = { WAVES_M: 1, WAVES_N: 1, WAVES_K: 4, BLOCKS_M: 2, BLOCKS_N: 2 };
const dividedTile = 32;

/** A linear layer in the variants for few and for many rows. */
export class Product {
  static readonly bindings = 'urrrw';

  constructor(
    private readonly kernels: Kernels,
    private readonly matrices: boolean,
    private readonly linear: Linear,
    private readonly use: ProductUse,
  ) {}

  /** The pipeline for this many rows, and how many workgroups it takes. */
  async plan(rows: number): Promise<{ pipeline: GPUComputePipeline; groups: [number, number, number] }> {
    const { outputs } = this.linear;
    if (rows <= fewRows) {
      const rowsOfGroup = [1, 2, 4, 8, 12, 16].find((size) => size >= rows) as number;
      return {
        pipeline: await this.pipeline('matmul-rows', { ROWS: rowsOfGroup }),
        groups: [Math.ceil(outputs / columnsOfGroup), 1, 1],
      };
    }
    if (!this.matrices || this.linear.inputs % 32 !== 0) {
      return {
        pipeline: await this.pipeline('matmul-tiles', {}),
        groups: [Math.ceil(outputs / tile), Math.ceil(rows / tile), 1],
      };
    }
    if (Math.ceil(rows / tile) * Math.ceil(outputs / tile) >= enoughTiles) {
      return {
        pipeline: await this.pipeline('matmul-matrix-staged', {}),
        groups: [Math.ceil(outputs / tile), Math.ceil(rows / tile), 1],
      };
    }
    return {
      pipeline: await this.pipeline('matmul-matrix', dividedDepth),
      groups: [Math.ceil(outputs / dividedTile), Math.ceil(rows / dividedTile), 1],
    };
  }

  private pipeline(file: string, sizes: Record<string, number>): Promise<GPUComputePipeline> {
    const { inputs, outputs, bias } = this.linear;
    const { epilogue, head } = this.use;
    const vector = file.startsWith('matmul-matrix') ? 'vec4<u32>' : `vec4<${this.kernels.element}>`;
    return this.kernels.pipeline({
      files: ['step', 'epilogue', file],
      bindings: Product.bindings,
      constants: {
        K: inputs,
        N: outputs,
        EPILOGUE: epilogues[epilogue],
        HEAD: head,
        BIASED: bias !== undefined,
        ...sizes,
      },
      types: { X: vector, W: vector, Y: head || epilogue === 'add' ? 'f32' : this.kernels.element },
    });
  }
}
