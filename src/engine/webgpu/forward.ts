/** One pass of the model over the rows of a step: buffers, bind groups, and the order of the dispatches. */
import { runError } from '../../errors.js';
import type { DecoderShape } from '../../model/config.js';
import type { ModelSource } from '../../model/source.js';
import { Buffers } from './buffers.js';
import type { GpuDevice } from './device.js';
import {
  type AttentionTile,
  attentionTile,
  type FixedPipelines,
  fixedPipelines,
  headSizes,
} from './fixed.js';
import type { Kernels } from './kernels.js';
import { type Epilogue, Product, type ProductUse, productBindings } from './product.js';
import { ReadBack } from './read-back.js';
import { Recorder } from './recorder.js';
import { type AttentionPlan, type StepTables, stepSizes } from './tables.js';
import { type LayerWeights, type Linear, type ModelWeights, WeightLoader } from './weights.js';

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

interface Linears {
  qkv: Product;
  attentionOut: Product;
  gateUp: Product;
  down: Product;
}

interface LayerGroups {
  qkv: GPUBindGroup;
  /** Where queries and keys have norms. */
  heads: GPUBindGroup | undefined;
  attention: GPUBindGroup;
  join: GPUBindGroup;
  attentionOut: GPUBindGroup;
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

/**
 * Layers that are handed to the GPU at once, one part after the other. On an H100 steps of SmolLM2-135M's 30 layers took 3.3 to
 * 4 ms in one piece, 2.0 to 2.5 in 4 to 10 pieces (64 x 8 rows: 11.6 and 9.5 to 10). The GPU waits until the first ones are
 * recorded, so they are few.
 */
const submittedLayers = [1, 2, 3, 4, 5];

/** The layers before which what was recorded is handed over. */
function handOvers(layers: number): ReadonlySet<number> {
  const places = new Set<number>();
  let place = 0;
  for (let part = 0; ; part++) {
    place += submittedLayers[Math.min(part, submittedLayers.length - 1)] as number;
    if (place >= layers) return places;
    places.add(place);
  }
}

export class Forward {
  private groups: Groups | undefined;
  /** Of the buffers that `groups` is made of. */
  private generation = -1;
  private readonly results: ReadBack;
  private readonly handOvers: ReadonlySet<number>;

  private constructor(
    private readonly gpu: GpuDevice,
    private readonly kernels: Kernels,
    private readonly shape: DecoderShape,
    private readonly weights: ModelWeights,
    readonly buffers: Buffers,
    private readonly tile: AttentionTile,
    private readonly fixed: FixedPipelines,
    private readonly linears: Linears,
    private readonly head: Product,
  ) {
    this.results = new ReadBack(gpu.device);
    this.handOvers = handOvers(shape.layers);
  }

  /** Throws runError for a model that doesn't fit, inputError as `attentionTile` and `source` do. */
  static async create(gpu: GpuDevice, kernels: Kernels, source: ModelSource): Promise<Forward> {
    const { shape } = source;
    const tile = attentionTile(gpu, shape);
    // the driver compiles in threads of its own while this one reads the weights
    const [fixed, weights] = await Promise.all([
      fixedPipelines(kernels, shape, tile),
      WeightLoader.load(gpu, kernels, source),
    ]);
    const memory = gpu.matrices ? gpu.device.limits.maxComputeWorkgroupStorageSize : 0;
    const product = (linear: Linear, use: ProductUse) => new Product(kernels, memory, linear, use);
    const first = weights.layers[0] as LayerWeights;
    // all layers have the same sizes, so they share pipelines
    const linears = {
      qkv: product(first.qkv, { ...attentionEpilogue(shape), norm: shape.normEpsilon }),
      attentionOut: product(first.attentionOut, { epilogue: 'add' }),
      gateUp: product(first.gateUp, { epilogue: 'gate', norm: shape.normEpsilon }),
      down: product(first.down, { epilogue: 'add' }),
    };
    const head = product(weights.head, { epilogue: 'store', head: true });
    const buffers = new Buffers(gpu, shape);
    return new Forward(gpu, kernels, shape, weights, buffers, tile, fixed, linears, head);
  }

  get attention(): AttentionPlan {
    const { kernel, queries, columns } = this.tile;
    const { heads, kvHeads } = this.shape;
    const tileRows = Math.floor(queries / (heads / kvHeads));
    return { tileRows, spans: kernel === 'attention' ? [] : columns, kvHeads };
  }

  /**
   * Runs a step. The buffers must hold it (`buffers.reserve`).
   * Throws runError for more rows than a dispatch of the GPU takes.
   */
  async run(step: StepTables, { half, topK, logits }: RunOptions): Promise<ForwardOutput> {
    const { device } = this.gpu;
    const most = device.limits.maxComputeWorkgroupsPerDimension;
    // a product spreads the changes of the cache over two dimensions
    const workgroups = step.rows + (this.fixed.heads === undefined ? 0 : step.moves + step.copies);
    if (workgroups > most)
      throw runError(
        `The GPU takes ${most} rows, accepted tokens and copied blocks a step, this one has ${workgroups}`,
        'Lower decode.concurrency or decode.nodes.',
      );
    const { buffers } = this;
    const groups = this.currentGroups();
    const previous = half * buffers.rows;
    const places = { capacity: buffers.capacity, current: buffers.rows - previous, previous };
    write(device, buffers.sizes, stepSizes(step, places, topK));
    const { activations, head } = buffers.ofStep;
    write(device, activations.tables, step.tables);
    const { timer } = this.gpu;
    const recorder = new Recorder(device, timer);
    await this.record(recorder, groups, step);
    const encoder = recorder.finish();
    if (step.verdicts === 0) {
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return { verdicts: new Float32Array(0), states: new Float32Array(0), logits: undefined };
    }
    const { hidden, vocabulary } = this.shape;
    const bytes = step.verdicts * 4;
    const wanted = [
      { from: head.verdicts, bytes: bytes * (2 + 2 * topK) },
      { from: head.states, bytes: bytes * hidden },
      { from: head.logits, bytes: logits ? bytes * vocabulary : 0 },
    ];
    const found = await this.results.read(encoder, wanted, timer);
    const [verdicts, states, all] = found as [Float32Array, Float32Array, Float32Array];
    return { verdicts, states, logits: logits ? all : undefined };
  }

  private async record(recorder: Recorder, groups: Groups, step: StepTables): Promise<void> {
    const { fixed, linears } = this;
    const { rows, verdicts } = step;
    const { heads, kvHeads } = this.shape;
    const run = recorder.run.bind(recorder);
    const changes = step.moves + step.copies;
    const besideQkv = fixed.heads === undefined ? changes : 0;
    const qkv = await linears.qkv.plan(rows, besideQkv);
    // queries, keys and values of a layer, and the changes in its cache
    const runQkv = (layer: LayerGroups) => {
      if (rows + besideQkv > 0) run('qkv', qkv.pipeline, layer.qkv, ...qkv.groups);
      if (fixed.heads !== undefined && layer.heads !== undefined)
        run('norms of heads', fixed.heads, layer.heads, rows + changes);
    };
    if (rows === 0) {
      for (const layer of groups.layers) runQkv(layer);
      return;
    }
    const attentionOut = await linears.attentionOut.plan(rows);
    const gateUp = await linears.gateUp.plan(rows);
    const down = await linears.down.plan(rows);
    const attention = fixed.attention[step.span] as GPUComputePipeline;
    run('embedding', fixed.embed, groups.embed, rows);
    for (const [l, layer] of groups.layers.entries()) {
      if (this.handOvers.has(l)) recorder.submit();
      runQkv(layer);
      run('attention', attention, layer.attention, step.tiles, kvHeads, step.splits);
      if (step.splits > 1) run('attention join', fixed.join, layer.join, rows, heads);
      run('attention output', attentionOut.pipeline, layer.attentionOut, ...attentionOut.groups);
      run('gate and up', gateUp.pipeline, layer.gateUp, ...gateUp.groups);
      run('down', down.pipeline, layer.down, ...down.groups);
    }
    if (verdicts === 0) return;
    const head = await this.head.plan(verdicts);
    run('final norm', fixed.finalNorm, groups.finalNorm, verdicts);
    run('vocabulary head', head.pipeline, groups.head, ...head.groups);
    run('verdicts', fixed.verdict, groups.verdict, verdicts);
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
    const { sizes } = buffers;
    const { activations: a, head: h } = buffers.ofStep;
    const { tables, residual, shrunk } = a;
    const bind = kernels.bind.bind(kernels);
    // a kernel without a bias binds something in its place
    const none = weights.finalNorm;
    const product = (epilogue: Epilogue, x: GPUBuffer, { weight, bias }: Linear, ...results: GPUBuffer[]) =>
      bind(productBindings[epilogue], sizes, x, weight, bias ?? none, ...results);
    const layers = weights.layers.map((layer, l) => {
      const cache = buffers.cache[l] as GPUBuffer;
      const fresh = a.fresh[l] as GPUBuffer;
      const { qkv, headNorms } = layer;
      const forAttention = [a.queries, fresh, cache] as const;
      return {
        qkv:
          headNorms === undefined
            ? product('heads', shrunk, qkv, tables, weights.rotary, ...forAttention)
            : product('store', shrunk, qkv, a.qkv),
        heads:
          headNorms && bind('urrrrwww', sizes, tables, a.qkv, weights.rotary, headNorms, ...forAttention),
        attention: bind('urrrrww', sizes, tables, a.queries, fresh, cache, a.attended, a.parts),
        join: bind('urw', sizes, a.parts, a.attended),
        attentionOut: product('add', a.attended, layer.attentionOut, residual, shrunk),
        gateUp: product('gate', shrunk, layer.gateUp, a.gated),
        down: product('add', a.gated, layer.down, residual, shrunk),
      };
    });
    return {
      embed: bind('urrww', sizes, tables, weights.embedding, residual, shrunk),
      layers,
      finalNorm: bind('urrrww', sizes, tables, residual, weights.finalNorm, h.normed, h.states),
      head: product('store', h.normed, weights.head, h.logits),
      verdict: bind('urrw', sizes, tables, h.logits, h.verdicts),
    };
  }
}

/** A head's norm takes the whole head, which may lie in several tiles: then kernels/heads.wgsl follows. */
function attentionEpilogue(shape: DecoderShape): ProductUse {
  return shape.qkNorm ? { epilogue: 'store' } : { epilogue: 'heads', sizes: headSizes(shape) };
}

function write(device: GPUDevice, buffer: GPUBuffer, words: Uint32Array): void {
  device.queue.writeBuffer(buffer, 0, words as Uint32Array<ArrayBuffer>);
}
