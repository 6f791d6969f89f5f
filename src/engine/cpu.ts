import type { CpuWeights } from '../model/linear.js';
import { type PreparedModel, prepareModel } from '../model/prepare.js';
import { treeBias } from './bias.js';
import {
  type Engine,
  float32Margin,
  notFinite,
  type StepInput,
  type StepOptions,
  type TreeRows,
  Verdicts,
} from './engine.js';
import { allocateFloats, type FloatArray } from './memory.js';
import type { OrtProvider } from './ort.js';
import { CachedSequences } from './sequences.js';
import { GraphSession } from './session.js';

export interface CpuEngineOptions {
  /** Hugging Face folder or GGUF file. */
  model: string;
  /** Folder for converted models. */
  cache: string;
  /** float32 if left out. */
  weights?: CpuWeights;
  slots: number;
  /** 0: all cores. */
  threads: number;
  /** Of ONNX Runtime; `cpu` if left out. With `cuda` the cache is copied to the GPU at every step. */
  provider?: OrtProvider;
}

/**
 * Near ties by weight type. Rows are quantised as they come, so the last digit of a float can turn a whole step of int8, and
 * the layers after it pass that on: of SmolLM2-135M's log-probabilities, one text alone against a tree among three texts, most
 * were equal, and the largest difference was 0.19 nats in int8, 0.49 in int4.
 */
const margins: Record<CpuWeights, number> = { float32: float32Margin, int8: 0.2, int4: 0.5 };

/** The engine on ONNX Runtime, with the cache of keys and values in the memory of the CPU. */
export class CpuEngine implements Engine {
  readonly usualRows = 64;
  readonly usualColumns = 256;
  readonly modelTime = { prefill: 0, steps: 0 };
  private readonly sequences: CachedSequences;
  /** Keys and values of the last step's rows, and each slot's first row in them. */
  private fresh: readonly FloatArray[] = [];
  private readonly firstRow = new Map<number, number>();
  /** Reused between steps: they are the largest inputs, and every element is written anew. */
  private bias = new Float32Array(0);
  private localBias = new Float32Array(0);

  private constructor(
    private readonly model: PreparedModel,
    private readonly session: GraphSession,
    readonly slots: number,
    readonly nearTieMargin: number,
  ) {
    const { layers, kvHeads, headSize } = model.shape;
    const shape = { arrays: layers * 2, kvHeads, headSize };
    this.sequences = new CachedSequences(session, shape, slots, this.context);
  }

  static async open(options: CpuEngineOptions): Promise<CpuEngine> {
    const model = prepareModel(options.model, options.cache, options.weights);
    const session = await GraphSession.open(model, {
      threads: options.threads,
      spinning: options.slots === 1,
      provider: options.provider ?? 'cpu',
    });
    return new CpuEngine(model, session, options.slots, margins[options.weights ?? 'float32']);
  }

  get context(): number {
    return this.model.shape.context;
  }

  get hiddenSize(): number {
    return this.model.shape.hidden;
  }

  get fingerprint(): string {
    return this.model.fingerprint;
  }

  async admit(slot: number, ids: Int32Array): Promise<void> {
    const started = performance.now();
    await this.sequences.admit(slot, ids);
    this.modelTime.prefill += performance.now() - started;
  }

  async step(inputs: readonly StepInput[], topK: number, options?: StepOptions): Promise<Verdicts[]> {
    const trees = this.sequences.treesOf(inputs);
    const { slotsInOrder, cache } = this.sequences;
    const rows = Math.max(...trees.map((tree) => tree.tokens.length));
    const started = performance.now();
    const graphInput = {
      ...this.arrange(trees, rows),
      topK,
      logits: options?.logits === true,
      cache: cache.past(),
    };
    const output = await this.session.run(graphInput);
    this.modelTime.steps += performance.now() - started;
    this.fresh = output.cache;
    slotsInOrder.forEach((slot, index) => {
      this.firstRow.set(slot, index * rows);
    });
    if (output.verdicts.some(Number.isNaN)) throw notFinite();
    const { vocabulary } = this.model.shape;
    const all = output.logits === undefined ? undefined : { logits: output.logits, vocabulary };
    const verdicts = new Map<number, Verdicts>();
    let first = 0;
    trees.forEach((tree, index) => {
      const slot = slotsInOrder[index] as number;
      verdicts.set(slot, new Verdicts(output.verdicts, output.hidden, first, this.hiddenSize, topK, all));
      first += tree.tokens.length;
    });
    return inputs.map(({ slot }) => verdicts.get(slot) as Verdicts);
  }

  keep(slot: number, path: readonly number[]): void {
    const first = this.firstRow.get(slot);
    if (first === undefined) throw new Error(`slot ${slot} took part in no step`);
    const rows = path.map((row) => first + row);
    this.sequences.keep(slot, this.fresh, rows);
  }

  release(slot: number): void {
    this.sequences.release(slot);
    this.firstRow.delete(slot);
  }

  close(): Promise<void> {
    return this.session.close();
  }

  /** Trees as rows of one batch; padding places repeat row 0, and nobody reads what they compute. */
  private arrange(trees: readonly TreeRows[], rows: number) {
    const { cache } = this.sequences;
    const past = cache.width;
    const group = this.model.shape.heads / this.model.shape.kvHeads;
    const batch = trees.length;
    const total = trees.reduce((sum, tree) => sum + tree.tokens.length, 0);
    const tokens = new BigInt64Array(total);
    const padded = new BigInt64Array(batch * rows);
    const packed = new BigInt64Array(total);
    const positions = new BigInt64Array(batch * rows);
    const size = batch * rows * group * (past + rows);
    const { gemma } = this.model.shape;
    if (this.bias.length < size) this.bias = biasOf(size * 2);
    if (gemma !== undefined && this.localBias.length < size) this.localBias = biasOf(size * 2);
    const bias = this.bias.subarray(0, size);
    const localBias = this.localBias.subarray(0, size);
    const verdictRows = BigInt64Array.from({ length: total }, (_, i) => BigInt(i));
    const parentToken = new BigInt64Array(total * 2);
    let first = 0;
    trees.forEach((tree, index) => {
      const start = cache.length(index);
      const depths = new Int32Array(tree.tokens.length);
      for (let row = 0; row < tree.tokens.length; row++) {
        const parent = tree.parents[row] as number;
        if (row > 0) depths[row] = (depths[parent] as number) + 1;
        const token = BigInt(tree.tokens[row] as number);
        const place = index * rows + row;
        tokens[first + row] = token;
        padded[place] = BigInt(first + row);
        packed[first + row] = BigInt(place);
        positions[place] = BigInt(start + (depths[row] as number));
        parentToken[(first + row) * 2] = BigInt(first + Math.max(parent, 0));
        parentToken[(first + row) * 2 + 1] = token;
      }
      const offset = index * rows * group * (past + rows);
      const mask = { parents: tree.parents, depths, rows, group, length: start, past };
      treeBias(bias, offset, mask);
      if (gemma !== undefined) treeBias(localBias, offset, mask, gemma.window);
      first += tree.tokens.length;
    });
    return {
      batch,
      rows,
      past,
      tokens,
      padded,
      packed,
      positions,
      bias,
      localBias,
      verdictRows,
      parentToken,
    };
  }
}

function biasOf(size: number): Float32Array<ArrayBuffer> {
  return allocateFloats('float32', 1, size, 'The mask of a step')[0] as Float32Array<ArrayBuffer>;
}
