/** Fills the file of a graph's external data: weights of a model in one weight type. */
import { inputError } from '../errors.js';
import type { DecoderShape } from './config.js';
import { toFloat16 } from './float16.js';
import { ropeTables, type WeightSpec, weightSpecs } from './graph.js';
import { type CpuWeights, int4Block, type StoredWeight, storedAs } from './linear.js';
import { elementBytes, type WeightLocation } from './onnx.js';
import { quantizeBlocks, quantizeRows } from './quantize.js';
import { ropeFrequencies, ropeTable } from './rope.js';
import type { ModelSource } from './source.js';
import type { WeightFile } from './weight-file.js';
import { forEachRun, transposed, transposeInto, type WeightRows, weightRows } from './weights.js';

/** Writes everything that the graph of that weight type reads. Throws inputError where the weights can't be quantised. */
export function writeWeights(out: WeightFile, source: ModelSource, weights: CpuWeights): void {
  for (const spec of weightSpecs(source.shape, weights)) {
    const stored = storedAs(spec, weights);
    const locations = stored.map(({ name, type, shape }) =>
      out.reserve(name, elementBytes[type] * shape.reduce((product, size) => product * size, 1)),
    );
    writeWeight(out, source, spec, stored, locations);
  }
  writeRopeTables(out, source.shape);
}

function writeWeight(
  out: WeightFile,
  source: ModelSource,
  spec: WeightSpec,
  stored: readonly StoredWeight[],
  locations: readonly WeightLocation[],
): void {
  const first = locations[0] as WeightLocation;
  const { type } = stored[0] as StoredWeight;
  if (type === 'int8') writeInt8(out, source, spec, locations);
  else if (type === 'uint8') writeInt4(out, source, spec, locations);
  else if (spec.linear) out.write(first, 0, transposed(source, spec, source.shape));
  else {
    for (const rows of weightRows(source, spec, source.shape)) {
      const rowBytes = (rows.values.length / rows.places.length) * elementBytes[type];
      forEachRun(rows, (values, place) =>
        out.write(first, place * rowBytes, type === 'float16' ? halves(values, spec) : values),
      );
    }
  }
}

function halves(values: Float32Array, { name }: WeightSpec): Uint16Array {
  const result = toFloat16(values);
  // all bits of the exponent
  const broken = result.findIndex((half) => (half & 0x7c00) === 0x7c00);
  if (broken < 0) return result;
  throw notFinite(name, values[broken] as number, 'float16');
}

function writeInt8(
  out: WeightFile,
  source: ModelSource,
  spec: WeightSpec,
  [codesAt, scalesAt]: readonly WeightLocation[],
): void {
  const [inputs, outputs] = spec.shape as [number, number];
  const codes = new Int8Array(inputs * outputs);
  const scales = new Float32Array(outputs);
  for (const rows of finiteRows(source, spec, 'int8')) {
    const quantized = quantizeRows(rows.values, inputs);
    transposeInto(codes, outputs, quantized.codes, rows.places);
    rows.places.forEach((place, row) => {
      scales[place] = quantized.scales[row] as number;
    });
  }
  out.write(codesAt as WeightLocation, 0, codes);
  out.write(scalesAt as WeightLocation, 0, scales);
}

function writeInt4(
  out: WeightFile,
  source: ModelSource,
  spec: WeightSpec,
  locations: readonly WeightLocation[],
): void {
  const [inputs] = spec.shape as [number, number];
  for (const rows of finiteRows(source, spec, 'int4')) {
    forEachRun(rows, (values, place) => {
      const count = values.length / inputs;
      const { packed, scales, zeroPoints } = quantizeBlocks(values, inputs, 4, int4Block);
      [packed, scales, zeroPoints].forEach((part, at) => {
        out.write(locations[at] as WeightLocation, (place * part.byteLength) / count, part);
      });
    });
  }
}

function* finiteRows(source: ModelSource, spec: WeightSpec, type: string): Generator<WeightRows> {
  for (const rows of weightRows(source, spec, source.shape)) {
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
