/** Fills the file of a graph's external data: weights of a model in one weight type. */
import { inputError } from '../errors.js';
import type { DecoderShape } from './config.js';
import { toFloat16 } from './float16.js';
import { finalGain, isRotated, ropeTables, type WeightSpec, weightSpecs } from './graph.js';
import { type CpuWeights, int4Block, type StoredWeight, storedAs } from './linear.js';
import { elementBytes, type WeightLocation } from './onnx.js';
import { quantizeBlocks, quantizeRows } from './quantize.js';
import { ropeFrequencies, ropeTable } from './rope.js';
import { Rotation } from './rotation.js';
import type { ModelSource } from './source.js';
import type { WeightFile } from './weight-file.js';
import { forEachRun, transposed, transposeInto, type WeightRows, weightRows } from './weights.js';

/** Writes everything that the graph of that weight type reads. Throws inputError where the weights can't be quantised. */
export function writeWeights(out: WeightFile, source: ModelSource, weights: CpuWeights): void {
  const rotation = new Rotation(source.shape.hidden);
  for (const spec of weightSpecs(source.shape, weights)) {
    const stored = storedAs(spec, weights);
    const locations = stored.map(({ name, type, shape }) =>
      out.reserve(name, elementBytes[type] * shape.reduce((product, size) => product * size, 1)),
    );
    const read = () => rotatedRows(source, spec, rotation);
    writeWeight(out, source, { spec, stored, locations, read });
  }
  if (isRotated(source.shape, weights)) {
    const gain = source.read(finalGain, [rotation.size]);
    // the last norm's gain, which its rotated rows lack, is in it
    const inverse = rotation.inverse().map((value, at) => value * (gain[at % rotation.size] as number));
    out.write(out.reserve('rotated_back', inverse.byteLength), 0, inverse);
  }
  writeRopeTables(out, source.shape);
}

/** A weight, the tensors that it is stored as with their places, and its rows. */
interface Writing {
  spec: WeightSpec;
  stored: readonly StoredWeight[];
  locations: readonly WeightLocation[];
  read: () => Iterable<WeightRows>;
}

function writeWeight(out: WeightFile, source: ModelSource, writing: Writing): void {
  const { spec, stored, locations, read } = writing;
  const first = locations[0] as WeightLocation;
  const { type } = stored[0] as StoredWeight;
  if (type === 'int8') writeInt8(out, writing);
  else if (type === 'uint8') writeInt4(out, writing);
  else if (spec.linear) out.write(first, 0, transposed(source, spec, source.shape));
  else {
    for (const rows of read()) {
      const rowBytes = (rows.values.length / rows.places.length) * elementBytes[type];
      forEachRun(rows, (values, place) =>
        out.write(first, place * rowBytes, type === 'float16' ? halves(values, spec) : values),
      );
    }
  }
}

/** The weight's rows as they belong in the graph, whose residual stream may be rotated. */
function* rotatedRows(source: ModelSource, spec: WeightSpec, rotation: Rotation): Generator<WeightRows> {
  const rows = weightRows(source, spec, source.shape);
  const { size } = rotation;
  if (spec.rotated === undefined) yield* rows;
  else if (spec.rotated === 'gain') yield { values: new Float32Array(size).fill(1), places: upTo(size) };
  else if (spec.rotated === 'outputs') yield rotatedOutputs(rows, rotation);
  else {
    const gain = spec.gain === undefined ? undefined : source.read(spec.gain, [size]);
    for (const { values, places } of rows) {
      const result = values.map((value, at) => value * (gain?.[at % size] ?? 1));
      for (let at = 0; at < result.length; at += size) rotation.rotate(result.subarray(at, at + size), 1);
      yield { values: result, places };
    }
  }
}

function rotatedOutputs(rows: Iterable<WeightRows>, rotation: Rotation): WeightRows {
  let all = new Float32Array(0);
  let inputs = 0;
  for (const { values, places } of rows) {
    inputs = values.length / places.length;
    if (all.length === 0) all = new Float32Array(rotation.size * inputs);
    places.forEach((place, row) => {
      all.set(values.subarray(row * inputs, (row + 1) * inputs), place * inputs);
    });
  }
  rotation.rotate(all, inputs);
  return { values: all, places: upTo(rotation.size) };
}

const upTo = (count: number) => Int32Array.from({ length: count }, (_, at) => at);

function halves(values: Float32Array, { name }: WeightSpec): Uint16Array {
  const result = toFloat16(values);
  // all bits of the exponent
  const broken = result.findIndex((half) => (half & 0x7c00) === 0x7c00);
  if (broken < 0) return result;
  throw notFinite(name, values[broken] as number, 'float16');
}

function writeInt8(out: WeightFile, { spec, locations: [codesAt, scalesAt], read }: Writing): void {
  const [inputs, outputs] = spec.shape as [number, number];
  const codes = new Int8Array(inputs * outputs);
  const scales = new Float32Array(outputs);
  for (const rows of finiteRows(read(), spec, 'int8')) {
    const quantized = quantizeRows(rows.values, inputs);
    transposeInto(codes, outputs, quantized.codes, rows.places);
    rows.places.forEach((place, row) => {
      scales[place] = quantized.scales[row] as number;
    });
  }
  out.write(codesAt as WeightLocation, 0, codes);
  out.write(scalesAt as WeightLocation, 0, scales);
}

function writeInt4(out: WeightFile, { spec, locations, read }: Writing): void {
  const [inputs] = spec.shape as [number, number];
  for (const rows of finiteRows(read(), spec, 'int4')) {
    forEachRun(rows, (values, place) => {
      const count = values.length / inputs;
      const { packed, scales, zeroPoints } = quantizeBlocks(values, inputs, 4, int4Block);
      [packed, scales, zeroPoints].forEach((part, at) => {
        out.write(locations[at] as WeightLocation, (place * part.byteLength) / count, part);
      });
    });
  }
}

function* finiteRows(all: Iterable<WeightRows>, spec: WeightSpec, type: string): Generator<WeightRows> {
  for (const rows of all) {
    const broken = rows.values.find((value) => !Number.isFinite(value));
    if (broken !== undefined) throw notFinite(spec.name, broken, type);
    yield rows;
  }
}

function notFinite(name: string, value: number, type: string) {
  return inputError(
    `The model's weight ${name} holds ${value}, which ${type} can't express`,
    'The weights are broken, or need model.weights: float32.',
  );
}

/** A long context makes large tables: they are written some positions at a time. */
function writeRopeTables(out: WeightFile, shape: DecoderShape): void {
  for (const { name, of, rope } of ropeTables(shape)) {
    const frequencies = ropeFrequencies(rope);
    const rowBytes = frequencies.length * 4;
    const location = out.reserve(name, shape.context * rowBytes);
    for (let from = 0; from < shape.context; from += 4096) {
      const count = Math.min(4096, shape.context - from);
      out.write(location, from * rowBytes, ropeTable(of, frequencies, from, count));
    }
  }
}
