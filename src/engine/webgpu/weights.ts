/** A model's weights on the GPU, in the device's element type; final norm, biases and rotary tables stay float32. */
import type { DecoderShape } from '../../model/config.js';
import { ropeFrequencies } from '../../model/rope.js';
import type { ModelSource } from '../../model/source.js';
import type { GpuDevice } from './device.js';
import type { Kernels } from './kernels.js';

/** A linear layer: y = x * transpose(weight) + bias. */
export interface Linear {
  inputs: number;
  outputs: number;
  /** [outputs, inputs] */
  weight: GPUBuffer;
  /** [outputs], or undefined. */
  bias: GPUBuffer | undefined;
}

export interface LayerWeights {
  /** With the weight of the norm before it, as gateUp. */
  qkv: Linear;
  /** Query norm, then key norm. */
  headNorms: GPUBuffer | undefined;
  attentionOut: Linear;
  /** Rows of gate and up take turns, so that one thread meets both. */
  gateUp: Linear;
  down: Linear;
}

export interface ModelWeights {
  /** [vocabulary, hidden] */
  embedding: GPUBuffer;
  layers: LayerWeights[];
  finalNorm: GPUBuffer;
  head: Linear;
  /** cos and sin, [context, headSize / 2, 2]. */
  rotary: GPUBuffer;
}

/** One Hugging Face tensor among the rows of a weight: its row r goes to row r * stride + first; else below the others. */
interface Part {
  name: string;
  rows: number;
  stride?: number;
  first?: number;
  /** Rows of half a head: the halves of each head are joined like a zip, for kernels/epilogue-heads.wgsl. */
  half?: number;
}

/** Floats of a piece, and about those on their way to the GPU at once: it bounds the memory of host and device. */
const pieceElements = 1 << 24;
const tooLarge =
  'The model is too large for this GPU: choose another (model.adapter), or set model.device to cpu.';
/** Tiles of the matrix kernels reach this many rows past the end of a weight. */
const rowMargin = 128;

/** Reads every weight of a model, a piece at a time, and brings it to the GPU. */
export class WeightLoader {
  /** Floats on their way to the GPU. */
  private inFlight = 0;

  private constructor(
    private readonly gpu: GpuDevice,
    private readonly source: ModelSource,
    private readonly kernels: Kernels,
    private readonly pack: Record<'plain' | 'gained', GPUComputePipeline>,
    private readonly bytesPerElement: number,
  ) {}

  static async load(gpu: GpuDevice, kernels: Kernels, source: ModelSource): Promise<ModelWeights> {
    const packed = (gained: boolean) =>
      kernels.pipeline({ files: ['pack'], bindings: 'urrw', constants: { GAINED: gained } });
    const [plain, gained] = await Promise.all([packed(false), packed(true)]);
    return new WeightLoader(gpu, source, kernels, { plain, gained }, gpu.half ? 2 : 4).model();
  }

  private async model(): Promise<ModelWeights> {
    const { shape } = this.source;
    const { hidden, vocabulary } = shape;
    const embedding = await this.matrix(hidden, [{ name: 'model.embed_tokens.weight', rows: vocabulary }]);
    const layers: LayerWeights[] = [];
    for (let l = 0; l < shape.layers; l++) layers.push(await this.layer(shape, `model.layers.${l}.`));
    const headWeight = shape.tiedEmbeddings
      ? embedding
      : await this.matrix(hidden, [{ name: 'lm_head.weight', rows: vocabulary }]);
    return {
      embedding,
      layers,
      finalNorm: await this.vector(['model.norm.weight'], hidden),
      head: { inputs: hidden, outputs: vocabulary, weight: headWeight, bias: undefined },
      rotary: await this.rotary(shape),
    };
  }

  private async layer(shape: DecoderShape, from: string): Promise<LayerWeights> {
    const { hidden, intermediate, headSize } = shape;
    const queries = shape.heads * headSize;
    const keys = shape.kvHeads * headSize;
    // norms of heads are computed between the product and the rotation: kernels/heads.wgsl
    const half = shape.qkNorm ? {} : { half: headSize / 2 };
    const linear = async (
      inputs: number,
      parts: Part[],
      biased: boolean,
      norm?: string,
    ): Promise<Linear> => ({
      inputs,
      outputs: parts.reduce((sum, part) => sum + part.rows, 0),
      weight: await this.matrix(
        inputs,
        parts.map((part) => ({ ...part, name: `${from}${part.name}.weight` })),
        norm && `${from}${norm}.weight`,
      ),
      bias: biased ? await this.biases(from, parts) : undefined,
    });
    return {
      qkv: await linear(
        hidden,
        [
          { name: 'self_attn.q_proj', rows: queries, ...half },
          { name: 'self_attn.k_proj', rows: keys, ...half },
          { name: 'self_attn.v_proj', rows: keys },
        ],
        shape.qkvBias,
        'input_layernorm',
      ),
      headNorms: shape.qkNorm
        ? await this.vector([`${from}self_attn.q_norm.weight`, `${from}self_attn.k_norm.weight`], headSize)
        : undefined,
      attentionOut: await linear(
        queries,
        [{ name: 'self_attn.o_proj', rows: hidden }],
        shape.attentionOutBias,
      ),
      gateUp: await linear(
        hidden,
        [
          { name: 'mlp.gate_proj', rows: intermediate, stride: 2, first: 0 },
          { name: 'mlp.up_proj', rows: intermediate, stride: 2, first: 1 },
        ],
        shape.mlpBias,
        'post_attention_layernorm',
      ),
      down: await linear(intermediate, [{ name: 'mlp.down_proj', rows: hidden }], shape.mlpBias),
    };
  }

  /**
   * Tensors [rows, columns] one below the other (or in turns) as one matrix of the device's element type.
   * @param norm the weight of a norm that their inputs get first: columns are multiplied by it
   */
  private async matrix(columns: number, parts: readonly Part[], norm?: string): Promise<GPUBuffer> {
    const gains = norm === undefined ? undefined : await this.vector([norm], columns);
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const bytes = (rows + rowMargin) * columns * this.bytesPerElement;
    const target = await this.gpu.storage(bytes, parts[0]?.name ?? 'a weight', tooLarge);
    const rowsOfPiece = Math.max(1, Math.floor(pieceElements / columns));
    let below = 0;
    for (const part of parts) {
      for (let from = 0; from < part.rows; from += rowsOfPiece) {
        const count = Math.min(rowsOfPiece, part.rows - from);
        const values = this.source.readRows(part.name, [part.rows, columns], from, count);
        const { stride = 1, half = 0 } = part;
        this.packPiece(target, values, gains, [count, columns, stride, firstOf(part, below), from, half]);
        await this.landed(values.length);
      }
      below += part.rows;
    }
    gains?.destroy();
    return target;
  }

  /** Waits for the GPU once much is on its way: a wait takes a millisecond, a small tensor's way to the GPU a part of it. */
  private async landed(elements: number): Promise<void> {
    this.inFlight += elements;
    if (this.inFlight < pieceElements) return;
    await this.gpu.device.queue.onSubmittedWorkDone();
    this.inFlight = 0;
  }

  /** `piece` as struct Piece of pack.wgsl. */
  private packPiece(
    target: GPUBuffer,
    values: Float32Array,
    gains: GPUBuffer | undefined,
    piece: readonly number[],
  ): void {
    const { device } = this.gpu;
    const source = upload(device, values, GPUBufferUsage.STORAGE);
    const sizes = upload(device, Uint32Array.from(piece), GPUBufferUsage.UNIFORM);
    const group = this.kernels.bind('urrw', sizes, source, gains ?? source, target);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(gains === undefined ? this.pack.plain : this.pack.gained);
    pass.setBindGroup(0, group);
    const rows = piece[0] as number;
    pass.dispatchWorkgroups(Math.min(rows, 32_768), Math.ceil(rows / 32_768));
    pass.end();
    device.queue.submit([encoder.finish()]);
    source.destroy();
    sizes.destroy();
  }

  /** Vectors one behind the other, float32. */
  private async vector(names: readonly string[], size: number): Promise<GPUBuffer> {
    const values = new Float32Array(names.length * size);
    names.forEach((name, i) => {
      values.set(this.source.read(name, [size]), i * size);
    });
    return upload(this.gpu.device, values, GPUBufferUsage.STORAGE);
  }

  private async biases(from: string, parts: readonly Part[]): Promise<GPUBuffer> {
    const values = new Float32Array(parts.reduce((sum, part) => sum + part.rows, 0));
    let below = 0;
    for (const part of parts) {
      const { rows, stride = 1, half = 0 } = part;
      const bias = this.source.read(`${from}${part.name}.bias`, [rows]);
      const first = firstOf(part, below);
      for (let i = 0; i < rows; i++) values[zipped(i, half) * stride + first] = bias[i] as number;
      below += rows;
    }
    return upload(this.gpu.device, values, GPUBufferUsage.STORAGE);
  }

  private async rotary(shape: DecoderShape): Promise<GPUBuffer> {
    const frequencies = ropeFrequencies(shape);
    const half = frequencies.length;
    const table = new Float32Array(shape.context * half * 2);
    for (let position = 0; position < shape.context; position++) {
      for (let i = 0; i < half; i++) {
        const angle = position * (frequencies[i] as number);
        table[(position * half + i) * 2] = Math.cos(angle);
        table[(position * half + i) * 2 + 1] = Math.sin(angle);
      }
    }
    return upload(this.gpu.device, table, GPUBufferUsage.STORAGE);
  }
}

/** Where a part's first row goes. */
function firstOf({ stride, first }: Part, below: number): number {
  return stride === undefined ? below : (first ?? 0);
}

/** Where kernels/pack.wgsl has row r of heads whose halves have so many rows; 0: where it was. */
function zipped(r: number, half: number): number {
  if (half === 0) return r;
  const inHead = r % (2 * half);
  return r - inHead + (inHead % half) * 2 + Math.floor(inHead / half);
}

function upload(device: GPUDevice, values: Float32Array | Uint32Array, usage: number): GPUBuffer {
  const buffer = device.createBuffer({
    size: Math.ceil(values.byteLength / 16) * 16,
    usage,
    mappedAtCreation: true,
  });
  new Uint8Array(buffer.getMappedRange()).set(
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  buffer.unmap();
  return buffer;
}
