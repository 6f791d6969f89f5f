/** What an ONNX file says of its graph; weights are skipped, whatever their size. Field numbers are those of onnx.proto. */
import { inputError } from '../errors.js';
import { BinaryFile } from './binary-file.js';

/** An input or output of a graph. */
export interface OnnxValue {
  name: string;
  /** TensorProto.DataType: 1 float32, 7 int64, 10 float16, ... */
  type: number;
  /** Sizes; undefined where a size varies. */
  shape: readonly (number | undefined)[];
}

export interface OnnxHeader {
  /** Those of weights left out. */
  inputs: OnnxValue[];
  outputs: OnnxValue[];
  /** Operators of the graph's nodes. */
  operators: Set<string>;
}

/** Bytes of a field's key and length at most. */
const longestKey = 20;

/** Reads a graph's inputs, outputs and operators. Throws inputError when the file isn't an ONNX model. */
export function readOnnxHeader(path: string): OnnxHeader {
  const file = BinaryFile.open(path);
  try {
    const header: OnnxHeader = { inputs: [], outputs: [], operators: new Set() };
    let graphs = 0;
    for (const field of fields(file, 0, file.size)) {
      if (field.number !== 7 || field.wire !== 2) continue;
      graphs++;
      readGraph(file, field, header);
    }
    if (graphs !== 1) throw broken(path);
    return header;
  } finally {
    file.close();
  }
}

function readGraph(file: BinaryFile, graph: Field, header: OnnxHeader): void {
  const weights = new Set<string>();
  for (const field of fields(file, graph.start, graph.end)) {
    if (field.number === 1) header.operators.add(textOf(file, field, 4));
    // before IR version 4 weights stood among the inputs too
    if (field.number === 5) weights.add(textOf(file, field, 8));
    if (field.number === 11) header.inputs.push(readValue(file, field));
    if (field.number === 12) header.outputs.push(readValue(file, field));
  }
  header.inputs = header.inputs.filter(({ name }) => !weights.has(name));
}

/** ValueInfoProto { name = 1, type = 2 { tensor_type = 1 { elem_type = 1, shape = 2 { dim = 1 { dim_value = 1 } } } } } */
function readValue(file: BinaryFile, value: Field): OnnxValue {
  let type = 0;
  const shape: (number | undefined)[] = [];
  for (const tensor of below(file, below(file, [value], 2), 1)) {
    for (const field of fields(file, tensor.start, tensor.end)) {
      if (field.number === 1) type = field.value;
      if (field.number !== 2) continue;
      for (const dimension of below(file, [field], 1)) {
        const size = [...fields(file, dimension.start, dimension.end)].find(({ number }) => number === 1);
        shape.push(size?.value);
      }
    }
  }
  return { name: textOf(file, value, 1), type, shape };
}

interface Field {
  number: number;
  wire: number;
  /** Of a varint. */
  value: number;
  /** Where its bytes lie in the file. */
  start: number;
  end: number;
}

function below(file: BinaryFile, messages: readonly Field[], number: number): Field[] {
  return messages.flatMap(({ start, end }) =>
    [...fields(file, start, end)].filter((field) => field.number === number),
  );
}

/** The string in a message's field, '' when it has none. */
function textOf(file: BinaryFile, message: Field, number: number): string {
  const [found] = below(file, [message], number);
  if (found === undefined) return '';
  const bytes = Buffer.alloc(found.end - found.start);
  file.read(bytes, found.start);
  return bytes.toString('utf8');
}

/** The fields of a message: https://protobuf.dev/programming-guides/encoding/ */
function* fields(file: BinaryFile, start: number, end: number): Generator<Field> {
  const window = Buffer.alloc(longestKey);
  for (let at = start; at < end; ) {
    const bytes = window.subarray(0, Math.min(longestKey, end - at));
    file.read(bytes, at);
    let read = 0;
    const varint = (): number => {
      let value = 0;
      for (let factor = 1; ; factor *= 128) {
        const byte = bytes[read++];
        if (byte === undefined) throw broken(file.path);
        value += (byte & 127) * factor;
        if (byte < 128) return value;
      }
    };
    const key = varint();
    const wire = key % 8;
    const value = wire === 0 || wire === 2 ? varint() : 0;
    const size = wire === 0 ? 0 : wire === 1 ? 8 : wire === 2 ? value : wire === 5 ? 4 : Number.NaN;
    const field = { number: Math.floor(key / 8), wire, value, start: at + read, end: at + read + size };
    if (!(field.end <= end)) throw broken(file.path);
    yield field;
    at = field.end;
  }
}

function broken(path: string) {
  return inputError(`${path} is no ONNX model, or it is truncated`, 'Copy or download the model again.');
}
