import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { halfTable } from '../model/half.js';
import type { StockModel } from '../model/stock.js';
import { allocateFloats, type FloatArray } from './memory.js';
import { openSession, ort, runSession } from './ort.js';
import type { Prefill } from './prefix.js';

/** Rows of B sequences, T each, behind P cached columns each. */
export interface StockInput {
  batch: number;
  rows: number;
  past: number;
  /** [B * T] */
  tokens: BigInt64Array;
  /** [B * (P + T)]: 1 for columns that hold a token of the sequence, 0 for others. */
  mask: BigInt64Array;
  /** [B * T] */
  positions: BigInt64Array;
  /** Per layer key and value: [B, kvHeads, P, headSize]. */
  cache: readonly FloatArray[];
}

export interface StockOutput {
  /** [B * T, vocabulary] */
  logits: Float32Array;
  vocabulary: number;
  /** Of the new rows, per layer key and value: [B * T, kvHeads, headSize]. */
  cache: FloatArray[];
}

/** A stock decoder in ONNX Runtime. */
export class StockSession implements Prefill {
  private readonly kinds: string[];

  private constructor(
    private readonly session: InferenceSession,
    private readonly model: StockModel,
  ) {
    this.kinds = Array.from({ length: model.layers }, (_, l) => [`${l}.key`, `${l}.value`]).flat();
  }

  /**
   * Rejects with runError when ONNX Runtime can't load the graph, or memory isn't enough for it.
   * @param threads of one operator; ONNX Runtime's own choice (all cores) when 0
   * @param spinning as in SessionOptions
   */
  static async open(model: StockModel, threads: number, spinning: boolean): Promise<StockSession> {
    const graph = {
      file: model.file,
      bytes: model.bytes,
      smaller: 'Give the process more memory, or take an export whose weights have fewer bits.',
      broken:
        'Are the files of its external data (model.onnx_data) beside it? If so, download the model again.',
    };
    return new StockSession(await openSession(graph, { threads, spinning, provider: 'cpu' }), model);
  }

  async run(input: StockInput): Promise<StockOutput> {
    const outputs = await runSession(this.session, this.feeds(input), ['logits', ...this.presents()]);
    const logits = outputs.logits as Tensor;
    const vocabulary = logits.dims[2] as number;
    return { logits: numbersOf(logits), vocabulary, cache: this.fresh(input, outputs) };
  }

  async prefill(ids: Int32Array, past: number, cache: readonly FloatArray[]): Promise<FloatArray[]> {
    const rows = ids.length;
    const input: StockInput = {
      batch: 1,
      rows,
      past,
      tokens: BigInt64Array.from(ids, BigInt),
      mask: new BigInt64Array(past + rows).fill(1n),
      positions: BigInt64Array.from({ length: rows }, (_, row) => BigInt(past + row)),
      cache,
    };
    return this.fresh(input, await runSession(this.session, this.feeds(input), this.presents()));
  }

  async close(): Promise<void> {
    await this.session.release();
  }

  private feeds({ batch, rows, past, tokens, mask, positions, cache }: StockInput): Record<string, Tensor> {
    const { kvHeads, headSize } = this.model;
    const feeds: Record<string, Tensor> = {
      input_ids: new ort.Tensor('int64', tokens, [batch, rows]),
      attention_mask: new ort.Tensor('int64', mask, [batch, past + rows]),
    };
    if (this.model.positions) feeds.position_ids = new ort.Tensor('int64', positions, [batch, rows]);
    const shape = [batch, kvHeads, past, headSize];
    this.kinds.forEach((kind, a) => {
      feeds[`past_key_values.${kind}`] = tensorOf(cache[a] as FloatArray, shape);
    });
    return feeds;
  }

  private presents(): string[] {
    return this.kinds.map((kind) => `present.${kind}`);
  }

  /** The new rows of what the graph gives joined with the cache, [B, kvHeads, P + T, headSize]. */
  private fresh({ batch, rows, past }: StockInput, outputs: InferenceSession.OnnxValueMapType): FloatArray[] {
    const { kvHeads, headSize, cacheType } = this.model;
    const what = "The keys and values of a step's rows";
    const all = allocateFloats(cacheType, this.kinds.length, batch * rows * kvHeads * headSize, what);
    return this.presents().map((name, a) => {
      const joined = dataOf(outputs[name] as Tensor);
      const fresh = all[a] as FloatArray;
      for (let b = 0; b < batch; b++) {
        for (let h = 0; h < kvHeads; h++) {
          for (let row = 0; row < rows; row++) {
            const from = ((b * kvHeads + h) * (past + rows) + past + row) * headSize;
            const to = ((b * rows + row) * kvHeads + h) * headSize;
            fresh.set(joined.subarray(from, from + headSize), to);
          }
        }
      }
      return fresh;
    });
  }
}

function tensorOf(data: FloatArray, shape: readonly number[]): Tensor {
  return data instanceof Float32Array
    ? new ort.Tensor('float32', data, shape)
    : new ort.Tensor('float16', data, shape);
}

/** float16 as bits: where Node.js has a Float16Array, ONNX Runtime gives that. */
function dataOf({ type, data }: Tensor): FloatArray {
  if (type === 'float32') return data as Float32Array;
  const { buffer, byteOffset, length } = data as Uint16Array;
  return new Uint16Array(buffer, byteOffset, length);
}

function numbersOf(tensor: Tensor): Float32Array {
  const data = dataOf(tensor);
  if (data instanceof Float32Array) return data;
  const values = halfTable();
  return Float32Array.from(data, (bits) => values[bits] as number);
}
