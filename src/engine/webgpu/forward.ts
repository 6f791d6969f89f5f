/** One pass of the model over the rows of a step: buffers, bind groups, and the order of the dispatches. */
import { inputError, runError } from '../../errors.js';
import type { DecoderShape } from '../../model/config.js';
import { Buffers } from './buffers.js';
import type { GpuDevice } from './device.js';
import type { Kernels } from './kernels.js';
import { Product, type ProductUse } from './product.js';
import { type AttentionPlan, type StepTables, stepSizes } from './tables.js';
import type { LayerWeights, Linear, ModelWeights } from './weights.js';

/** What a step brings back. */
export interface ForwardOutput {
  /** [verdicts, 2 + 2 * topK]: own logit, log of the sum of exponentials, the highest logits, their tokens. */
  verdicts: Float32Array;
  /** [verdicts, hidden] */
  states: Float32Array;
  /** [verdicts, vocabulary], where asked for. */
  logits: Float32Array | undefined;
}

export interface RunOptions {
  /** Half of the new keys and values that holds the last step's: 0 or 1. */
  half: number;
  topK: number;
  /** Whether all logits come back. */
  logits: boolean;
}

/** Queries and columns that an attention workgroup holds. */
interface AttentionTile {
  kernel: 'attention' | 'attention-matrix';
  queries: number;
  columns: number;
}

interface Linears {
  qkv: Product;
  attentionOut: Product;
  gateUp: Product;
  down: Product;
}

interface LayerGroups {
  attentionNorm: GPUBindGroup;
  qkv: GPUBindGroup;
  heads: GPUBindGroup;
  attention: GPUBindGroup;
  join: GPUBindGroup;
  attentionOut: GPUBindGroup;
  mlpNorm: GPUBindGroup;
  gateUp: GPUBindGroup;
  down: GPUBindGroup;
}

interface Groups {
  embed: GPUBindGroup;
  layers: LayerGroups[];
  finalNorm: GPUBindGroup;
  head: GPUBindGroup;
  verdict: GPUBindGroup;
}

type Fixed = Record<
  'embed' | 'norm' | 'finalNorm' | 'heads' | 'attention' | 'join' | 'verdict',
  GPUComputePipeline
>;

export class Forward {
  private groups: Groups | undefined;
  /** Of the buffers that `groups` is made of. */
  private generation = -1;

  private constructor(
    private readonly gpu: GpuDevice,
    private readonly kernels: Kernels,
    private readonly shape: DecoderShape,
    private readonly weights: ModelWeights,
    readonly buffers: Buffers,
    private readonly tile: AttentionTile,
    private readonly fixed: Fixed,
    private readonly linears: Linears,
    private readonly head: Product,
  ) {}

  static async create(
    gpu: GpuDevice,
    kernels: Kernels,
    shape: DecoderShape,
    weights: ModelWeights,
  ): Promise<Forward> {
    const tile = attentionTile(gpu, shape);
    const fixed = await fixedPipelines(kernels, shape, tile);
    const product = (linear: Linear, use: ProductUse) => new Product(kernels, gpu.matrices, linear, use);
    const first = weights.layers[0] as LayerWeights;
    // all layers have the same sizes, so they share pipelines
    const linears = {
      qkv: product(first.qkv, { epilogue: 'store', head: false }),
      attentionOut: product(first.attentionOut, { epilogue: 'add', head: false }),
      gateUp: product(first.gateUp, { epilogue: 'gate', head: false }),
      down: product(first.down, { epilogue: 'add', head: false }),
    };
    const head = product(weights.head, { epilogue: 'store', head: true });
    const buffers = new Buffers(gpu, shape);
    return new Forward(gpu, kernels, shape, weights, buffers, tile, fixed, linears, head);
  }

  get attention(): AttentionPlan {
    const { kernel, queries, columns } = this.tile;
    const { heads, kvHeads } = this.shape;
    const tileRows = Math.floor(queries / (heads / kvHeads));
    return { tileRows, span: kernel === 'attention' ? undefined : columns, kvHeads };
  }

  /**
   * Runs a step. The buffers must hold it (`buffers.reserve`).
   * Throws runError for more rows than a dispatch of the GPU takes.
   */
  async run(step: StepTables, { half, topK, logits }: RunOptions): Promise<ForwardOutput> {
    const { device } = this.gpu;
    const most = device.limits.maxComputeWorkgroupsPerDimension;
    const workgroups = step.rows + step.moves;
    if (workgroups > most)
      throw runError(
        `The GPU takes ${most} rows and accepted tokens a step, this one has ${workgroups}`,
        'Lower decode.concurrency or decode.nodes.',
      );
    const { buffers } = this;
    const groups = this.currentGroups();
    const previous = half * buffers.rows;
    const places = { capacity: buffers.capacity, current: buffers.rows - previous, previous };
    write(device, buffers.sizes, stepSizes(step, places, topK));
    write(device, buffers.activations.tables, step.tables);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    await this.encode(pass, groups, step);
    pass.end();
    if (step.verdicts === 0) {
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return { verdicts: new Float32Array(0), states: new Float32Array(0), logits: undefined };
    }
    return buffers.readBack(encoder, step.verdicts, topK, logits);
  }

  private async encode(pass: GPUComputePassEncoder, groups: Groups, step: StepTables): Promise<void> {
    const { fixed, linears } = this;
    const { rows, verdicts } = step;
    const { heads, kvHeads } = this.shape;
    const run = (pipeline: GPUComputePipeline, group: GPUBindGroup, x: number, y = 1, z = 1) => {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(x, y, z);
    };
    if (rows === 0) {
      // nothing to compute: only the last step's kept rows go to the cache
      for (const layer of groups.layers) run(fixed.heads, layer.heads, step.moves);
      return;
    }
    const qkv = await linears.qkv.plan(rows);
    const attentionOut = await linears.attentionOut.plan(rows);
    const gateUp = await linears.gateUp.plan(rows);
    const down = await linears.down.plan(rows);
    run(fixed.embed, groups.embed, rows);
    for (const layer of groups.layers) {
      run(fixed.norm, layer.attentionNorm, rows);
      run(qkv.pipeline, layer.qkv, ...qkv.groups);
      run(fixed.heads, layer.heads, rows + step.moves);
      run(fixed.attention, layer.attention, step.tiles, kvHeads, step.splits);
      if (step.splits > 1) run(fixed.join, layer.join, rows, heads);
      run(attentionOut.pipeline, layer.attentionOut, ...attentionOut.groups);
      run(fixed.norm, layer.mlpNorm, rows);
      run(gateUp.pipeline, layer.gateUp, ...gateUp.groups);
      run(down.pipeline, layer.down, ...down.groups);
    }
    if (verdicts === 0) return;
    const head = await this.head.plan(verdicts);
    run(fixed.finalNorm, groups.finalNorm, verdicts);
    run(head.pipeline, groups.head, ...head.groups);
    run(fixed.verdict, groups.verdict, verdicts);
  }

  /** Bind groups belong to buffers: they are made anew when those have grown. */
  private currentGroups(): Groups {
    if (this.groups === undefined || this.generation !== this.buffers.generation) {
      this.groups = this.bindAll();
      this.generation = this.buffers.generation;
    }
    return this.groups;
  }

  private bindAll(): Groups {
    const { kernels, weights, buffers } = this;
    const { sizes, activations: a, head: h } = buffers;
    const { tables, residual } = a;
    const bind = kernels.bind.bind(kernels);
    // a kernel without a bias or head norms binds something in their place
    const none = weights.finalNorm;
    const product = (x: GPUBuffer, { weight, bias }: Linear, y: GPUBuffer) =>
      bind(Product.bindings, sizes, x, weight, bias ?? none, y);
    const layers = weights.layers.map((layer, l) => {
      const cache = buffers.cache[l] as GPUBuffer;
      const fresh = a.fresh[l] as GPUBuffer;
      const norms = layer.headNorms ?? none;
      return {
        attentionNorm: bind('urrrww', sizes, tables, residual, layer.attentionNorm, a.normed, h.states),
        qkv: product(a.normed, layer.qkv, a.qkv),
        heads: bind('urrrrwww', sizes, tables, a.qkv, weights.rotary, norms, a.queries, fresh, cache),
        attention: bind('urrrrww', sizes, tables, a.queries, fresh, cache, a.attended, a.parts),
        join: bind('urw', sizes, a.parts, a.attended),
        attentionOut: product(a.attended, layer.attentionOut, residual),
        mlpNorm: bind('urrrww', sizes, tables, residual, layer.mlpNorm, a.normed, h.states),
        gateUp: product(a.normed, layer.gateUp, a.gated),
        down: product(a.gated, layer.down, residual),
      };
    });
    return {
      embed: bind('urrw', sizes, tables, weights.embedding, residual),
      layers,
      finalNorm: bind('urrrww', sizes, tables, residual, weights.finalNorm, h.normed, h.states),
      head: product(h.normed, weights.head, h.logits),
      verdict: bind('urrw', sizes, tables, h.logits, h.verdicts),
    };
  }
}

async function fixedPipelines(kernels: Kernels, shape: DecoderShape, tile: AttentionTile): Promise<Fixed> {
  const { hidden, heads, kvHeads, headSize, normEpsilon, vocabulary, qkNorm } = shape;
  const sizes = { HEADS: heads, KV_HEADS: kvHeads, HEAD_SIZE: headSize };
  const epsilon = normEpsilon.toFixed(12);
  const make = (file: string, bindings: string, constants: Record<string, string | number | boolean>) =>
    kernels.pipeline({ files: ['step', file], bindings, constants });
  const norm = (select: boolean) =>
    make('norm', 'urrrww', { HIDDEN: hidden, EPSILON: epsilon, SELECT: select });
  const scale = (headSize ** -0.5).toFixed(12);
  const [embed, plain, finalNorm, headsPipeline, attention, join, verdict] = await Promise.all([
    make('embed', 'urrw', { HIDDEN: hidden, EMBEDDING_SCALE: '1.0' }),
    norm(false),
    norm(true),
    make('heads', 'urrrrwww', { ...sizes, QK_NORM: qkNorm, EPSILON: epsilon }),
    make(tile.kernel, 'urrrrww', { ...sizes, SCALE: scale, QUERIES: tile.queries, COLUMNS: tile.columns }),
    make('attention-join', 'urw', { HEADS: heads, HEAD_SIZE: headSize }),
    make('verdict', 'urrw', { VOCABULARY: vocabulary }),
  ]);
  return { embed, norm: plain, finalNorm, heads: headsPipeline, attention, join, verdict };
}

function write(device: GPUDevice, buffer: GPUBuffer, words: Uint32Array): void {
  device.queue.writeBuffer(buffer, 0, words as Uint32Array<ArrayBuffer>);
}

/**
 * The largest tile whose queries, keys, values and scores fit in a workgroup's memory.
 * Throws inputError when a GPU's memory is too small for one that holds the queries of a key/value head.
 */
function attentionTile(gpu: GpuDevice, { headSize, heads, kvHeads }: DecoderShape): AttentionTile {
  // 64 columns: with 128 fewer workgroups fit on a GPU's core, and attention took up to 1.7 times as long (H100)
  if (gpu.matrices && headSize <= 128) return { kernel: 'attention-matrix', queries: 32, columns: 64 };
  const bytes = gpu.half ? 2 : 4;
  const memory = gpu.device.limits.maxComputeWorkgroupStorageSize;
  const group = heads / kvHeads;
  for (const size of [32, 16, 8]) {
    const row = (headSize + 4) * bytes;
    if (size >= group && 3 * size * row + size * (size + 1) * 4 <= memory)
      return { kernel: 'attention', queries: size, columns: size };
  }
  throw inputError(
    `The GPU ${gpu.name} has ${memory} bytes of memory a workgroup: too few for ${group} query heads of ${headSize}`,
    'Set model.device to cpu.',
  );
}
