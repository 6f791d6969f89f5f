import type { Weights } from '../../config/schema.js';
import { inputError } from '../../errors.js';
import type { DecoderShape } from '../../model/config.js';
import { openModel } from '../../model/source.js';
import { type Engine, notFinite, type StepInput, type StepOptions, Verdicts } from '../engine.js';
import { GpuDevice } from './device.js';
import { Forward, type ForwardOutput } from './forward.js';
import { Kernels } from './kernels.js';
import { checkParity } from './parity.js';
import { PrefillQueue } from './prefill.js';
import { type Move, type SequenceRows, stepTables } from './tables.js';
import { WeightLoader } from './weights.js';

export interface WebGpuEngineOptions {
  /** Hugging Face folder or GGUF file. */
  model: string;
  /** Folder for converted models. */
  cache: string;
  /** Sequences decoded together; undefined: as many as the GPU's memory holds, up to `mostSlots`. */
  slots: number | undefined;
  /** A part of the adapter's name; undefined: the system's first choice. */
  adapter?: string | undefined;
  /** auto: float16 where the GPU has it. */
  weights?: Weights;
}

/** Larger batches gain little: at 64 sequences with drafts the GPU (H100) is busy most of a step, at 128 all of it. */
const mostSlots = 128;
/** Columns of a sequence that a batch is tried with: longer prompts than most. */
const usualColumns = 1024;

/** Rows of a prefill step. */
const prefillRows = 2048;

interface Slot {
  /** Cached tokens, those that still wait among the last step's rows included. */
  length: number;
}

/**
 * The engine on a GPU. Weights and the KV cache stay there; a step sends a few small tables and reads back one packed
 * result. New keys and values stand beside the cache until the next step moves the kept ones into it, so the cache has
 * no holes and rejected rows cost nothing.
 */
export class WebGpuEngine implements Engine {
  readonly modelTime = { prefill: 0, steps: 0 };
  private readonly active = new Map<number, Slot>();
  private readonly queue: PrefillQueue;
  /** Rows of the last pass that belong into the cache. */
  private moves: Move[] = [];
  /** First row of each slot in the last decode step. */
  private firstRow = new Map<number, number>();
  /** Which half of the new keys and values the last pass wrote. */
  private half = 0;
  private topK = 2;

  private constructor(
    private readonly gpu: GpuDevice,
    private readonly forward: Forward,
    private readonly model: { context: number; hidden: number; vocabulary: number; kvHeads: number },
    readonly fingerprint: string,
    readonly slots: number,
  ) {
    this.queue = new PrefillQueue(slots, prefillRows);
  }

  static async open(options: WebGpuEngineOptions): Promise<WebGpuEngine> {
    const source = openModel(options.model, options.cache);
    try {
      const refusal = refusalOf(source.shape);
      if (refusal !== undefined)
        throw inputError(
          `The model ${options.model} can't run on a GPU: ${refusal}`,
          'Set model.device to cpu.',
        );
      const gpu = await GpuDevice.open(options.adapter, options.weights);
      const kernels = new Kernels(gpu);
      const weights = await WeightLoader.load(gpu, kernels, source);
      const forward = await Forward.create(gpu, kernels, source.shape, weights);
      const slots = await reserveSlots(forward, source.shape, options.slots);
      const engine = new WebGpuEngine(gpu, forward, source.shape, source.fingerprint(), slots);
      await checkParity(engine, gpu, source, options.cache);
      return engine;
    } finally {
      source.close();
    }
  }

  get context(): number {
    return this.model.context;
  }

  get hiddenSize(): number {
    return this.model.hidden;
  }

  get weights(): 'float16' | 'float32' {
    return this.gpu.half ? 'float16' : 'float32';
  }

  /** Name and driver of the GPU. */
  get device(): string {
    return this.gpu.name;
  }

  /** The prompt is computed with the next step, together with those of other slots that wait. */
  async admit(slot: number, ids: Int32Array): Promise<void> {
    if (slot < 0 || slot >= this.slots || this.active.has(slot)) throw new Error(`slot ${slot} isn't free`);
    if (ids.length < 1 || ids.length > this.context) throw new Error(`${ids.length} ids don't fit`);
    this.active.set(slot, { length: ids.length - 1 });
    this.queue.add(slot, ids.slice(0, ids.length - 1));
  }

  async step(inputs: readonly StepInput[], topK: number, options?: StepOptions): Promise<Verdicts[]> {
    if (inputs.length !== this.active.size)
      throw new Error(`${inputs.length} trees for ${this.active.size} slots`);
    this.topK = Math.max(this.topK, topK);
    const started = performance.now();
    await this.prefill();
    const prefilled = performance.now();
    this.modelTime.prefill += prefilled - started;
    const sequences = inputs.map(({ slot, tree }) => ({
      slot,
      cached: this.slotOf(slot).length,
      tokens: tree.tokens,
      parents: tree.parents,
      verdicts: true,
    }));
    const output = await this.pass(sequences, topK, options?.logits ?? false);
    this.firstRow = new Map();
    const verdicts = this.verdicts(inputs, output, topK);
    this.modelTime.steps += performance.now() - prefilled;
    return verdicts;
  }

  keep(slot: number, path: readonly number[]): void {
    const first = this.firstRow.get(slot);
    if (first === undefined) throw new Error(`slot ${slot} took part in no step`);
    const state = this.slotOf(slot);
    path.forEach((row, i) => {
      this.moves.push({ row: first + row, slot, column: state.length + i });
    });
    state.length += path.length;
  }

  release(slot: number): void {
    if (!this.active.delete(slot)) throw new Error(`slot ${slot} is free already`);
    this.firstRow.delete(slot);
    this.queue.remove(slot);
    this.moves = this.moves.filter((move) => move.slot !== slot);
  }

  async close(): Promise<void> {
    this.gpu.close();
  }

  private slotOf(slot: number): Slot {
    const state = this.active.get(slot);
    if (state === undefined) throw new Error(`slot ${slot} is free`);
    return state;
  }

  /** Computes the prompts that wait, several at once; a prefix that another slot has is copied. */
  private async prefill(): Promise<void> {
    for (let batch = this.queue.next(); batch !== undefined; batch = this.queue.next()) {
      if (batch.copies.length > 0) {
        await this.pass([], this.topK, false);
        const columns = Math.max(...batch.copies.map((copy) => copy.columns));
        await this.forward.buffers.reserve({ ...nothing, topK: this.topK, columns });
        for (const { from, to, columns } of batch.copies) this.forward.buffers.copyColumns(from, to, columns);
      }
      if (batch.rows.length === 0) continue;
      const sequences = batch.rows.map(({ slot, tokens, cached }) => ({
        slot,
        tokens,
        cached,
        parents: undefined,
        verdicts: false,
      }));
      await this.pass(sequences, this.topK, false);
      let first = 0;
      for (const { slot, tokens, cached } of batch.rows) {
        for (let i = 0; i < tokens.length; i++) {
          this.moves.push({ row: first + i, slot, column: cached + i });
        }
        first += tokens.length;
      }
    }
  }

  /** One pass of the model; it also brings the kept rows of the last one into the cache. */
  private async pass(
    sequences: readonly SequenceRows[],
    topK: number,
    logits: boolean,
  ): Promise<ForwardOutput> {
    const { forward, moves } = this;
    const { buffers } = forward;
    const options = { attention: forward.attention, topK };
    const draft = stepTables(sequences, moves, { ...options, capacity: 0, current: 0, previous: 0 });
    await buffers.reserve({
      rows: draft.rows,
      verdicts: draft.verdicts,
      tableWords: draft.tables.length,
      parts: draft.splits > 1 ? draft.splits * draft.rows : 0,
      topK: this.topK,
      columns: Math.max(
        0,
        ...sequences.map(({ cached, tokens }) => cached + tokens.length),
        ...moves.map(({ column }) => column + 1),
      ),
    });
    const previous = this.half * buffers.rows;
    const current = buffers.rows - previous;
    draft.sizes.set([buffers.capacity, current, previous], 10);
    try {
      const output = await this.gpu.guard(() => forward.run(draft, topK, logits));
      this.half = 1 - this.half;
      this.moves = [];
      return output;
    } catch (error) {
      // what the cache holds now isn't known
      this.queue.forget();
      throw error;
    }
  }

  /** The kernels' numbers in the form that Verdicts reads. */
  private verdicts(inputs: readonly StepInput[], output: ForwardOutput, topK: number): Verdicts[] {
    const columns = 2 + 2 * topK;
    const width = 1 + 3 * topK;
    const from = output.verdicts;
    const rows = from.length / columns;
    const packed = new Float32Array(rows * width);
    const all = output.logits && { logits: output.logits, vocabulary: this.model.vocabulary };
    let first = 0;
    const result = inputs.map(({ slot, tree }) => {
      for (let i = 0; i < tree.tokens.length; i++) {
        const row = (first + i) * columns;
        const parent = (first + Math.max(tree.parents[i] as number, 0)) * columns;
        const to = (first + i) * width;
        const logSum = from[row + 1] as number;
        if (!Number.isFinite(logSum)) throw notFinite();
        packed[to] = Math.exp((from[row] as number) - (from[parent + 1] as number));
        for (let k = 0; k < topK; k++) {
          const logit = from[row + 2 + k] as number;
          packed[to + 1 + k] = logit;
          packed[to + 1 + topK + k] = Math.exp(logit - logSum);
          packed[to + 1 + 2 * topK + k] = from[row + 2 + topK + k] as number;
        }
      }
      this.firstRow.set(slot, first);
      const verdicts = new Verdicts(packed, output.states, first, this.hiddenSize, topK, all);
      first += tree.tokens.length;
      return verdicts;
    });
    return result;
  }
}

/** Why a model can't run on a GPU though it is supported, or undefined. */
export function unsupportedOnGpu(model: string, cache: string): string | undefined {
  const source = openModel(model, cache);
  source.close();
  return refusalOf(source.shape);
}

function refusalOf(shape: DecoderShape): string | undefined {
  if (shape.gemma !== undefined) return 'the kernels have no Gemma layers';
  const sizes = [shape.hidden, shape.intermediate, shape.headSize];
  if (sizes.some((size) => size % 16 !== 0)) return 'its sizes are no multiples of 16';
  return undefined;
}

/** Reserves the KV cache; without a given number of slots as many as fit. */
async function reserveSlots(
  forward: Forward,
  shape: DecoderShape,
  given: number | undefined,
): Promise<number> {
  const columns = Math.min(shape.context, usualColumns);
  for (let slots = given ?? mostSlots; ; slots = Math.floor(slots / 2)) {
    forward.buffers.slots = slots;
    try {
      await forward.buffers.reserve({ ...nothing, topK: 2, columns });
      return slots;
    } catch (error) {
      if (given !== undefined || slots === 1) throw error;
    }
  }
}

const nothing = { rows: 0, verdicts: 0, tableWords: 0, parts: 0 };
