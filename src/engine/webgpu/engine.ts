import { inputError } from '../../errors.js';
import type { DecoderShape } from '../../model/config.js';
import { type ModelSource, openModel } from '../../model/source.js';
import {
  type Engine,
  float32Margin,
  type StepInput,
  type StepOptions,
  type TreeRows,
  type Verdicts,
} from '../engine.js';
import { roomOf } from './buffers.js';
import type { GpuDevice } from './device.js';
import { Forward, type ForwardOutput } from './forward.js';
import { Kernels } from './kernels.js';
import { checkParity } from './parity.js';
import { PrefillQueue, type PrefillRows, type PrefixCopy } from './prefill.js';
import { prefillRows, reserveSlots, rowsBesideStep, usualRows } from './reserve.js';
import { StepTimes } from './step-times.js';
import { refusalOf } from './support.js';
import { largest, type Move, type SequenceRows, stepTables } from './tables.js';
import { unpackVerdicts } from './verdicts.js';

export interface WebGpuEngineOptions {
  /** Hugging Face folder or GGUF file. */
  model: string;
  /** Folder for converted models. */
  cache: string;
  /** Sequences decoded together; undefined: as many as the GPU's memory holds, up to 128. */
  slots: number | undefined;
  /** Tokens of the longest text with its prompt, where that is known. */
  columns?: number | undefined;
}

/** Log-probabilities in float16 differed from float32 by up to 0.012, of one text in batches of different shapes by as much. */
const float16Margin = 0.03;

interface Slot {
  /** Cached tokens of the prompt: all but its last. */
  readonly prompt: number;
  /** Cached tokens, those that still wait among the last step's rows included. */
  length: number;
}

/**
 * The engine on a GPU. Weights and the KV cache stay there; a step sends a few small tables and reads back one packed
 * result. New keys and values stand beside the cache until the next step moves the kept ones into it, so the cache has
 * no holes and rejected rows cost nothing.
 */
export class WebGpuEngine implements Engine {
  readonly usualRows = usualRows;
  /** Prompts with examples: attention over them is a good part of a step here. */
  readonly usualColumns = 512;
  readonly freesProcessor: boolean;
  readonly packsTrees = true;
  readonly nearTieMargin: number;
  readonly modelTime = { prefill: 0, steps: 0 };
  private readonly active = new Map<number, Slot>();
  private readonly queue: PrefillQueue;
  private readonly times = new StepTimes();
  /** Rows of the last pass that belong into the cache. */
  private moves: Move[] = [];
  /** Prefixes that the next pass brings from slot to slot. */
  private copies: PrefixCopy[] = [];
  /** First row of each slot's tree in the last step. */
  private firstRow = new Map<number, number>();
  /** Which half of the new keys and values the last pass wrote. */
  private half = 0;
  private topK = 2;

  private constructor(
    private readonly gpu: GpuDevice,
    private readonly forward: Forward,
    private readonly model: DecoderShape,
    readonly fingerprint: string,
    readonly slots: number,
  ) {
    this.freesProcessor = !gpu.emulated;
    this.nearTieMargin = gpu.half ? float16Margin : float32Margin;
    this.queue = new PrefillQueue(slots, prefillRows);
  }

  /**
   * Brings the model to the GPU, which belongs to the engine from here on: it is closed with it, and on errors.
   * Throws inputError for a model that the kernels don't compute, runError when it doesn't fit, or when the GPU computes
   * something else than plain TypeScript.
   */
  static async open(options: WebGpuEngineOptions, gpu: GpuDevice): Promise<WebGpuEngine> {
    try {
      const source = openModel(options.model, options.cache);
      try {
        return await WebGpuEngine.load(options, gpu, source);
      } finally {
        source.close();
      }
    } catch (error) {
      await gpu.close();
      throw error;
    }
  }

  private static async load(
    { model, cache, slots: given, columns }: WebGpuEngineOptions,
    gpu: GpuDevice,
    source: ModelSource,
  ): Promise<WebGpuEngine> {
    const { shape } = source;
    const refusal = refusalOf(shape);
    if (refusal !== undefined)
      throw inputError(`The model ${model} can't run on a GPU: ${refusal}`, 'Set model.device to cpu.');
    const kernels = new Kernels(gpu);
    const forward = await Forward.create(gpu, kernels, source);
    const slots = await reserveSlots(forward, shape, given, columns);
    const engine = new WebGpuEngine(gpu, forward, shape, source.fingerprint(), slots);
    await checkParity(engine, gpu, source, cache);
    return engine;
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

  /** The prompt is computed with the next step, as those of other slots that wait. */
  async admit(slot: number, ids: Int32Array): Promise<void> {
    if (slot < 0 || slot >= this.slots || this.active.has(slot)) throw new Error(`slot ${slot} isn't free`);
    if (ids.length < 1 || ids.length > this.context) throw new Error(`${ids.length} ids don't fit`);
    this.active.set(slot, { prompt: ids.length - 1, length: ids.length - 1 });
    this.queue.add(slot, ids.slice(0, ids.length - 1));
  }

  async step(inputs: readonly StepInput[], topK: number, options?: StepOptions): Promise<Verdicts[]> {
    if (inputs.length !== this.active.size)
      throw new Error(`${inputs.length} trees for ${this.active.size} slots`);
    this.topK = Math.max(this.topK, topK);
    try {
      return await this.stepOn(inputs, topK, options?.logits ?? false);
    } catch (error) {
      // what the cache holds now isn't known
      this.queue.forget();
      this.copies = [];
      throw error;
    }
  }

  private async stepOn(inputs: readonly StepInput[], topK: number, logits: boolean): Promise<Verdicts[]> {
    const started = performance.now();
    const prompts = await this.prefill();
    const stepping = performance.now();
    this.modelTime.prefill += stepping - started;
    const sequences = inputs.map(({ slot, tree }) =>
      behindPrompt(slot, this.slotOf(slot).length, tree, prompts.get(slot)),
    );
    const withPrompts = prompts.size > 0 || this.copies.length > 0;
    const output = await this.pass(sequences, topK, logits);
    this.firstRow = new Map();
    let first = 0;
    for (const { slot, cached, tokens, verdicts } of sequences) {
      this.moveColumns(slot, first, cached, tokens.length - verdicts);
      first += tokens.length;
      this.firstRow.set(slot, first - verdicts);
    }
    const verdicts = unpackVerdicts(inputs, output, topK, this.model);
    this.addTime(inputs, performance.now() - stepping, withPrompts);
    return verdicts;
  }

  /** Counts the time of a step's pass. */
  private addTime(inputs: readonly StepInput[], milliseconds: number, withPrompts: boolean): void {
    const rows = inputs.reduce((sum, { tree }) => sum + tree.tokens.length, 0);
    if (!withPrompts) this.times.record(inputs.length, rows, milliseconds);
    const ofStep = withPrompts ? this.times.ofStep(inputs.length, rows, milliseconds) : milliseconds;
    this.modelTime.steps += ofStep;
    this.modelTime.prefill += milliseconds - ofStep;
  }

  /** What the next pass brings to the cache: rows of this one, one behind the other. */
  private moveColumns(slot: number, first: number, cached: number, rows: number): void {
    for (let i = 0; i < rows; i++) this.moves.push({ row: first + i, slot, column: cached + i });
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
    const state = this.active.get(slot);
    if (state === undefined) throw new Error(`slot ${slot} is free already`);
    this.active.delete(slot);
    this.firstRow.delete(slot);
    this.queue.remove(slot);
    // the prompt stays: the next one may begin alike
    this.moves = this.moves.filter((move) => move.slot !== slot || move.column < state.prompt);
  }

  close(): Promise<void> {
    return this.gpu.close();
  }

  private slotOf(slot: number): Slot {
    const state = this.active.get(slot);
    if (state === undefined) throw new Error(`slot ${slot} is free`);
    return state;
  }

  /**
   * Computes the prompts that wait, several at once; a prefix that another slot has is copied in the same pass. The last
   * ones, if they are few, are left to the step, by their slots.
   */
  private async prefill(): Promise<ReadonlyMap<number, PrefillRows>> {
    for (let batch = this.queue.next(); batch !== undefined; batch = this.queue.next()) {
      const { copies, rows } = batch;
      if (copies.length > 0) await this.beginCopies(copies);
      if (rows.length === 0) continue;
      const count = rows.reduce((sum, { tokens }) => sum + tokens.length, 0);
      if (this.queue.isEmpty && count <= rowsBesideStep) return new Map(rows.map((row) => [row.slot, row]));
      const sequences = rows.map((row) => ({ ...row, parents: undefined, verdicts: 0 }));
      await this.pass(sequences, this.topK, false);
      let first = 0;
      for (const { slot, tokens, cached } of rows) {
        this.moveColumns(slot, first, cached, tokens.length);
        first += tokens.length;
      }
    }
    return new Map();
  }

  /** Leaves copies to the next pass, once what they read, or wrote before, is in the cache. */
  private async beginCopies(copies: PrefixCopy[]): Promise<void> {
    const isCopied = (move: Move) =>
      copies.some(({ from, to, columns }) => [from, to].includes(move.slot) && move.column < columns);
    if (this.copies.length > 0 || this.moves.some(isCopied)) await this.pass([], this.topK, false);
    this.copies = copies;
  }

  /** One pass of the model; it also brings the kept rows of the last one into the cache, and what is to be copied. */
  private async pass(
    sequences: readonly SequenceRows[],
    topK: number,
    logits: boolean,
  ): Promise<ForwardOutput> {
    const { forward, moves, copies } = this;
    const { buffers } = forward;
    const step = stepTables(sequences, moves, forward.attention, copies);
    const cached = largest(sequences, (sequence) => sequence.cached);
    const output = await this.gpu.guard(async () => {
      const moved = largest(moves, ({ column }) => column + 1);
      const copied = largest(copies, ({ columns }) => columns);
      await buffers.reserve(roomOf(step, this.topK, Math.max(cached, moved, copied)));
      return forward.run(step, { half: this.half, topK, logits });
    });
    this.half = 1 - this.half;
    this.moves = [];
    this.copies = [];
    return output;
  }
}

/** The rows of a step's tree; behind those of the sequence's prompt that aren't computed yet. */
function behindPrompt(
  slot: number,
  length: number,
  { tokens, parents }: TreeRows,
  prompt: PrefillRows | undefined,
): SequenceRows {
  if (prompt === undefined) return { slot, cached: length, tokens, parents, verdicts: tokens.length };
  const before = prompt.tokens.length;
  const all = new Int32Array(before + tokens.length);
  all.set(prompt.tokens);
  all.set(tokens, before);
  // the prompt is a line, and the tree's root, whose parent is -1, stands below its end
  const above = Int32Array.from(all, (_, i) =>
    i < before ? i - 1 : (parents[i - before] as number) + before,
  );
  return { slot, cached: prompt.cached, tokens: all, parents: above, verdicts: tokens.length };
}
