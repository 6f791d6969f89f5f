import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { CpuWeights } from '../model/linear.js';
import type { PreparedModel } from '../model/prepare.js';
import { causalBias } from './bias.js';
import type { FloatArray } from './memory.js';
import { type OrtProvider, openSession, ort, runSession, type SessionOptions } from './ort.js';
import type { Prefill } from './prefix.js';

/** Rows of several sequences, N in all, as flat arrays; `buildDecoder` has the shapes' meaning. */
export interface GraphInput {
  batch: number;
  /** T: rows of the longest sequence. */
  rows: number;
  /** Cached columns P. */
  past: number;
  /** [N] */
  tokens: BigInt64Array;
  /** [B * T]: which of the N rows stands at each place. */
  padded: BigInt64Array;
  /** [N]: each row's place. */
  packed: BigInt64Array;
  /** [B * T] */
  positions: BigInt64Array;
  /** [B * T * G * (P + T)] */
  bias: Float32Array;
  /** The same for layers with a window; of no meaning for models without them. */
  localBias: Float32Array;
  /** Rows of the N that get a verdict, [V]. */
  verdictRows: BigInt64Array;
  /** [V * 2]: parent among the verdict rows, own token. */
  parentToken: BigInt64Array;
  topK: number;
  /** Whether the rows' logits are wanted. */
  logits: boolean;
  /** Per layer key and value: [B, kvHeads, P, headSize]. */
  cache: readonly FloatArray[];
}

export interface GraphOutput {
  /** [V, 1 + 3 * topK] */
  verdicts: Float32Array;
  /** [V, hidden] */
  hidden: Float32Array;
  /** [V, vocabulary] where they were wanted. */
  logits: Float32Array | undefined;
  /** Of the new rows, per layer key and value: [B, T, kvHeads, headSize]. */
  cache: readonly FloatArray[];
}

const moreMemory = 'Give the process more memory.';
/** What to do where memory isn't enough for weights of a type. */
const smallerWeights: Partial<Record<CpuWeights, string>> = {
  float32: 'Set model.weights to int8 or int4, or give the process more memory.',
  int8: 'Set model.weights to int4, or give the process more memory.',
};
/** What to do where a graph can't be loaded. */
const broken: Record<OrtProvider, string> = {
  cpu: 'Remove the model cache folder, so that the graph is built again.',
  cuda: 'The CUDA provider needs the CUDA, cuBLAS, cuRAND and cuDNN libraries that it was built for on LD_LIBRARY_PATH.',
};

/** The decoder graph in ONNX Runtime: typed arrays in, typed arrays out. */
export class GraphSession implements Prefill {
  private readonly cacheNames: string[];
  /** What every run fetches: onnxruntime-node copies each output that is asked for. */
  private readonly fetches: string[];

  private constructor(
    private readonly session: InferenceSession,
    private readonly model: PreparedModel,
  ) {
    this.cacheNames = Array.from({ length: model.shape.layers }, (_, l) => [`key.${l}`, `value.${l}`]).flat();
    this.fetches = ['verdicts', 'hidden', ...this.cacheNames.map((name) => `new_${name}`)];
  }

  /** Rejects with runError when ONNX Runtime can't load the graph, or memory isn't enough for it. */
  static async open(model: PreparedModel, options: SessionOptions): Promise<GraphSession> {
    const { graphFile: file, weightBytes: bytes, weights } = model;
    const smaller = (options.provider === 'cpu' ? smallerWeights[weights] : undefined) ?? moreMemory;
    const session = await openSession({ file, bytes, smaller, broken: broken[options.provider] }, options);
    return new GraphSession(session, model);
  }

  async run(input: GraphInput): Promise<GraphOutput> {
    const { batch, rows, past } = input;
    const { kvHeads, headSize, heads, gemma } = this.model.shape;
    const folded = rows * (heads / kvHeads);
    const count = input.verdictRows.length;
    const feeds: Record<string, Tensor> = {
      input_ids: new ort.Tensor('int64', input.tokens, [input.tokens.length]),
      padded: new ort.Tensor('int64', input.padded, [batch, rows]),
      packed: new ort.Tensor('int64', input.packed, [input.packed.length]),
      position_ids: new ort.Tensor('int64', input.positions, [batch, rows]),
      bias: new ort.Tensor('float32', input.bias, [batch, 1, folded, past + rows]),
      verdict_rows: new ort.Tensor('int64', input.verdictRows, [count]),
      parent_token: new ort.Tensor('int64', input.parentToken, [count, 2]),
      top_k: new ort.Tensor('int64', BigInt64Array.of(BigInt(input.topK)), [1]),
    };
    if (gemma !== undefined) {
      feeds.local_bias = new ort.Tensor('float32', input.localBias, [batch, 1, folded, past + rows]);
    }
    this.cacheNames.forEach((name, a) => {
      feeds[name] = new ort.Tensor('float32', input.cache[a] as Float32Array, [
        batch,
        kvHeads,
        past,
        headSize,
      ]);
    });
    const outputs = await runSession(
      this.session,
      feeds,
      input.logits ? [...this.fetches, 'logits'] : this.fetches,
    );
    return {
      verdicts: outputs.verdicts?.data as Float32Array,
      hidden: outputs.hidden?.data as Float32Array,
      logits: outputs.logits?.data as Float32Array | undefined,
      cache: this.cacheNames.map((name) => outputs[`new_${name}`]?.data as FloatArray),
    };
  }

  async prefill(ids: Int32Array, past: number, cache: readonly FloatArray[]): Promise<readonly FloatArray[]> {
    const { heads, kvHeads, gemma } = this.model.shape;
    const group = heads / kvHeads;
    const rows = ids.length;
    const places = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i));
    const output = await this.run({
      batch: 1,
      rows,
      past,
      tokens: BigInt64Array.from(ids, BigInt),
      padded: places,
      packed: places,
      positions: BigInt64Array.from({ length: rows }, (_, i) => BigInt(past + i)),
      bias: causalBias(rows, past, group),
      localBias: gemma === undefined ? new Float32Array(0) : causalBias(rows, past, group, gemma.window),
      // the head wants at least one row; its verdict isn't used
      verdictRows: BigInt64Array.of(0n),
      parentToken: BigInt64Array.of(0n, 0n),
      topK: 1,
      logits: false,
      cache,
    });
    return output.cache;
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}
