import { readStock, type StockModel, stockFingerprint } from '../model/stock.js';
import type { StockPlace } from '../model/stock-place.js';
import {
  type Engine,
  float32Margin,
  type StepInput,
  type StepOptions,
  type TreeRows,
  Verdicts,
} from './engine.js';
import { packLine } from './logit-verdicts.js';
import type { FloatArray } from './memory.js';
import { CachedSequences } from './sequences.js';
import { type StockInput, StockSession } from './stock-session.js';

export interface StockEngineOptions {
  place: StockPlace;
  slots: number;
  /** 0: all cores. */
  threads: number;
}

/** A graph of float16 rounds what comes out of each operator, as kernels for GPUs do: near ties are those of theirs. */
const float16Margin = 0.03;

/** Where a slot's rows lie among those of the last step. */
interface Fresh {
  cache: readonly FloatArray[];
  first: number;
}

/**
 * The engine on ONNX graphs of others' making: drafts are lines, because such a graph hides only what lies behind a row;
 * verdicts are made of the logits; there are no hidden states. A graph gives the whole cache back at every step, of
 * which the new rows are taken.
 */
export class StockEngine implements Engine {
  readonly drafts = 'line';
  readonly hiddenSize = 0;
  /** Those of the CPU's own graph: the arithmetic is the same. */
  readonly usualRows = 64;
  readonly usualColumns = 256;
  readonly nearTieMargin: number;
  readonly modelTime = { prefill: 0, steps: 0 };
  private readonly sequences: CachedSequences;
  private readonly fresh = new Map<number, Fresh>();

  private constructor(
    private readonly model: StockModel,
    private readonly session: StockSession,
    readonly fingerprint: string,
    readonly slots: number,
  ) {
    const { layers, kvHeads, headSize, cacheType: type } = model;
    const shape = { arrays: layers * 2, kvHeads, headSize, type };
    this.nearTieMargin = type === 'float16' ? float16Margin : float32Margin;
    this.sequences = new CachedSequences(session, shape, slots, this.context);
  }

  /** Throws inputError for a graph of another layout, runError when ONNX Runtime can't load it. */
  static async open({ place, slots, threads }: StockEngineOptions): Promise<StockEngine> {
    const stock = readStock(place);
    const fingerprint = stockFingerprint(place);
    const session = await StockSession.open(stock, threads, slots === 1);
    return new StockEngine(stock, session, fingerprint, slots);
  }

  get context(): number {
    return this.model.context;
  }

  async admit(slot: number, ids: Int32Array): Promise<void> {
    const started = performance.now();
    await this.sequences.admit(slot, ids);
    this.modelTime.prefill += performance.now() - started;
  }

  async step(inputs: readonly StepInput[], topK: number, options?: StepOptions): Promise<Verdicts[]> {
    const lines = this.sequences.treesOf(inputs).map(lineOf);
    const { slotsInOrder } = this.sequences;
    const started = performance.now();
    const places = lines.map((_, index) => index);
    const verdicts = new Map<number, Verdicts>();
    for (const run of this.model.batched ? [places] : places.map((index) => [index])) {
      const input = this.arrange(run, lines);
      const { logits, vocabulary, cache } = await this.session.run(input);
      const packed = new Float32Array(input.batch * input.rows * (1 + 3 * topK));
      const all = options?.logits === true ? { logits, vocabulary } : undefined;
      run.forEach((index, place) => {
        const slot = slotsInOrder[index] as number;
        const first = place * input.rows;
        packLine(packed, logits, vocabulary, lines[index] as Int32Array, first, topK);
        this.fresh.set(slot, { cache, first });
        verdicts.set(slot, new Verdicts(packed, new Float32Array(0), first, this.hiddenSize, topK, all));
      });
    }
    this.modelTime.steps += performance.now() - started;
    return inputs.map(({ slot }) => verdicts.get(slot) as Verdicts);
  }

  keep(slot: number, path: readonly number[]): void {
    const fresh = this.fresh.get(slot);
    if (fresh === undefined) throw new Error(`slot ${slot} took part in no step`);
    const rows = path.map((row) => fresh.first + row);
    this.sequences.keep(slot, fresh.cache, rows);
  }

  release(slot: number): void {
    this.sequences.release(slot);
    this.fresh.delete(slot);
  }

  close(): Promise<void> {
    return this.session.close();
  }

  /**
   * Some of the cached sequences as one run. Columns between a sequence's end and its new rows are hidden by the mask,
   * as are rows of padding, which stand behind all others and repeat the last one. Positions count tokens, not columns.
   */
  private arrange(run: readonly number[], lines: readonly Int32Array[]): StockInput {
    const { cache: sequences } = this.sequences;
    const alone = !this.model.batched;
    const rows = Math.max(...run.map((index) => (lines[index] as Int32Array).length));
    const past = alone ? sequences.length(run[0] as number) : sequences.width;
    const width = past + rows;
    const tokens = new BigInt64Array(run.length * rows);
    const positions = new BigInt64Array(run.length * rows);
    const mask = new BigInt64Array(run.length * width);
    run.forEach((index, place) => {
      const line = lines[index] as Int32Array;
      const length = sequences.length(index);
      for (let row = 0; row < rows; row++) {
        const real = Math.min(row, line.length - 1);
        tokens[place * rows + row] = BigInt(line[real] as number);
        positions[place * rows + row] = BigInt(length + real);
      }
      const start = place * width;
      mask.fill(1n, start, start + length);
      mask.fill(1n, start + past, start + past + line.length);
    });
    const cache = alone ? sequences.one(run[0] as number) : sequences.past();
    return { batch: run.length, rows, past, tokens, mask, positions, cache };
  }
}

/** The tokens of a tree that is a line. */
function lineOf({ tokens, parents }: TreeRows): Int32Array {
  if (parents.some((parent, row) => parent !== row - 1)) throw new Error('a stock graph takes lines only');
  return tokens;
}
