/** The weights of a model in the order and layout of the graph, a block of rows at a time. */
import type { DecoderShape } from './config.js';
import type { WeightSpec } from './graph.js';
import type { ModelSource } from './source.js';

/** Rows of one weight that belong together in memory, each [inputs]. */
export interface WeightRows {
  values: Float32Array;
  /** Which output of the graph's weight each row is. */
  places: Int32Array;
}

/**
 * Reads the Hugging Face tensors of one weight, joined along their outputs, with query heads in the order of the
 * folded attention. No more than a block is held, so that the largest matrix needs no memory to speak of.
 * @param blockElements of a block, at least one row: 16 MiB as float32 if left out
 */
export function* weightRows(
  source: ModelSource,
  spec: WeightSpec,
  model: DecoderShape,
  blockElements = 1 << 22,
): Generator<WeightRows> {
  let first = 0;
  for (const { name, shape, foldedHeads, repeat = 1, add = 0 } of spec.sources) {
    const [outputs, inputs = 1] = shape;
    const outputPlaces = foldedHeads === 'out' ? foldedPlaces(model) : undefined;
    const inputPlaces = foldedHeads === 'in' ? foldedPlaces(model) : undefined;
    const step = Math.max(1, Math.floor(blockElements / inputs));
    for (let turn = 0; turn < repeat; turn++) {
      for (let from = 0; from < outputs; from += step) {
        const count = Math.min(step, outputs - from);
        const read = source.readRows(name, shape, from, count);
        const values = add === 0 ? read : read.map((value) => value + add);
        yield {
          values: inputPlaces === undefined ? values : permuteInputs(values, inputPlaces),
          places: Int32Array.from({ length: count }, (_, row) => {
            return first + (outputPlaces?.[from + row] ?? from + row);
          }),
        };
      }
      first += outputs;
    }
  }
}

/** The whole of one weight as [inputs, outputs]. */
export function transposed(source: ModelSource, spec: WeightSpec, model: DecoderShape): Float32Array {
  const [inputs, outputs] = spec.shape as [number, number];
  const result = new Float32Array(inputs * outputs);
  for (const { values, places } of weightRows(source, spec, model)) {
    transposeInto(result, outputs, values, places);
  }
  return result;
}

/** Rows of [inputs] into the columns of [inputs, outputs] that `places` gives. */
export function transposeInto<T extends Float32Array | Int8Array>(
  target: T,
  outputs: number,
  values: T,
  places: Int32Array,
): void {
  const inputs = values.length / places.length;
  // few rows at a time, so that what is written lies in the cache until its line is full
  for (let tile = 0; tile < places.length; tile += tileRows) {
    const end = Math.min(tile + tileRows, places.length);
    for (let input = 0; input < inputs; input++) {
      const to = input * outputs;
      for (let row = tile; row < end; row++) {
        target[to + (places[row] as number)] = values[row * inputs + input] as number;
      }
    }
  }
}

const tileRows = 16;

/** Runs of rows that stay together: what can be written at once. `use(values, place)` gets them. */
export function forEachRun(
  { values, places }: WeightRows,
  use: (values: Float32Array, place: number) => void,
): void {
  const inputs = values.length / places.length;
  let start = 0;
  for (let row = 1; row <= places.length; row++) {
    if (row < places.length && places[row] === (places[row - 1] as number) + 1) continue;
    use(values.subarray(start * inputs, row * inputs), places[start] as number);
    start = row;
  }
}

function permuteInputs(values: Float32Array, places: Int32Array): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < values.length; row += places.length) {
    for (let i = 0; i < places.length; i++) result[row + (places[i] as number)] = values[row + i] as number;
  }
  return result;
}

/**
 * Where each element of the query heads goes: head k * G + g (Hugging Face: the G queries of key/value head k lie side
 * by side) moves to g * kvHeads + k, so that folding the G queries into the rows is a plain reshape.
 */
function foldedPlaces({ heads, kvHeads, headSize }: DecoderShape): Int32Array {
  const group = heads / kvHeads;
  return Int32Array.from({ length: heads * headSize }, (_, at) => {
    const head = Math.floor(at / headSize);
    const folded = (head % group) * kvHeads + Math.floor(head / group);
    return folded * headSize + (at % headSize);
  });
}
