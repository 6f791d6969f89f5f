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
/** Fewer large tiles than this don't fill a GPU (H200: 132 cores): small ones are faster then. */
const enoughTiles = 100;

/** Sizes of matmul-matrix: results of a workgroup, [side, side], and of each of its subgroups. */
const largeTiles = { side: 64, wave: 32 };
const smallTiles = { side: 32, wave: 16 };
/** Numbers of inputs that matmul-matrix takes at a time: a layer's inputs must be a multiple of one of them. */
const pieces = [64, 32];

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
    const piece = pieces.find((size) => this.linear.inputs % size === 0);
    if (!this.matrices || piece === undefined) {
      return {
        pipeline: await this.pipeline('matmul-tiles', {}),
        groups: [Math.ceil(outputs / tile), Math.ceil(rows / tile), 1],
      };
    }
    const count = (side: number) => Math.ceil(rows / side) * Math.ceil(outputs / side);
    const { side, wave } = count(largeTiles.side) >= enoughTiles ? largeTiles : smallTiles;
    return {
      pipeline: await this.pipeline('matmul-matrix', {
        TILE: side,
        WAVE: wave,
        WAVES_K: piece / 32,
        DEPTH: piece / 8,
      }),
      groups: [Math.ceil(outputs / side), Math.ceil(rows / side), 1],
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
